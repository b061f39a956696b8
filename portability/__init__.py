"""Move a SaaS tenant between pooled and siloed tiers as one journaled, resumable run."""

__version__ = "0.1.0"

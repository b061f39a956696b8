"""The embedded estate: a moto server, seeded SaaS worlds, and a small tenant application that keeps writing."""

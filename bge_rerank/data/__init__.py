"""Labelled data: queries, pairs and collections, read from files, frames and catalogues."""

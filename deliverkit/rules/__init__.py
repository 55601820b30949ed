"""Opinions: facts in, findings out. One file (or folder) per family; nothing here touches the world."""

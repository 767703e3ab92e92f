"""Bags turned into other formats, bag by bag: what is chosen, what a bag becomes, several at once and resumable.

A format brings a function that writes what one bag contributes (a part), and puts the parts together.
"""

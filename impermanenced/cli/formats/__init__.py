"""The declarations of a suggestion, in the languages that they are written in.

Each writer takes what `writing` describes and returns lines; what its language cannot express it refuses,
with the reason.
"""

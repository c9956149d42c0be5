"""What is wanted, in the languages that declarations are written in.

Each writer takes what `writing` describes and gives lines; what its language cannot say it refuses, with
the reason.
"""

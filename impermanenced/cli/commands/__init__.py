"""The verbs: each has a module of its name here, and a line in this table."""

COMMANDS = {
    "status": "what the next boot would lose",
    "explain": "why a path would be lost, or would not",
    "diff": "everything that differs from the blank",
    "suggest": "the declarations that would keep what would be lost",
    "gate": "whether a reboot may come now: pass, warn or block",
    "watch": "what is written that the next boot would lose, as it happens",
    "next": "ask for something else than a wipe at the next boot, for once",
    "boots": "the boots, what the hook did, and their old roots",
    "setup": "make this machine an impermanent one",
    "doctor": "what stands in the way of a rollback that works",
    "prune": "delete old roots that nobody needs any more",
    "pin": "keep the old root of a boot whatever its age",
    "unpin": "let it go with the others again",
}

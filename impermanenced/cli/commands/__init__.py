"""The verbs: each has a module of its name here, and a line in this table."""

COMMANDS = {
    "status": "show what the next boot would lose",
    "explain": "show why a path would be lost, or why not",
    "diff": "list everything that differs from the blank",
    "suggest": "print the declarations that would keep what would be lost",
    "persisted": "print the paths that are kept, for a backup",
    "tidy": "move away what nothing declares in the persist volumes",
    "gate": "say whether a reboot may come now: pass, warn or block",
    "watch": "show undeclared writes as they happen",
    "next": "override the next boot: keep the root, or boot an old one",
    "boots": "list the boots, what the hook did, and their old roots",
    "history": "show in which boots a path existed, and when its content changed",
    "setup": "prepare this machine for rollbacks, and switch wiping on",
    "apply": "make what is declared persist: in this boot and in every later one",
    "doctor": "check whether anything would stop a rollback",
    "blank": "show, verify, compare, make and take back the releases of the blank",
    "update": "update the machine in the next release of the blank",
    "prune": "delete the old roots that the settings do not keep",
    "pin": "keep the old roots of a boot, whatever their age",
    "unpin": "let prune delete the old roots of a boot again",
}

"""The set-up of a machine as an impermanent one, and its way back to a normal one.

    look -> facts -> plan -> steps        a stock machine becomes an impermanent one
            job                           what has been decided and done, on the disk

`look` and `kept` read the machine, `refusals` and `plan` are pure, and `steps` alone changes anything.
"""

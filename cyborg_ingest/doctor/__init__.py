"""What a load needs, looked at before it has to work at night: each thing by itself, whatever is wrong with the others.

Start with `examination`, which lists what is looked at; `finding` is what it says. Nothing is changed, or made, or sent
that would change a target. It knows neither sources nor loads, nor how a finding is shown.
"""

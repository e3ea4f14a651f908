"""What a scheduler is given to run a job: a line of a crontab, units of systemd, manifests of Kubernetes, as text.

Start with `scheduled`, which says what all of them know of a job; there is one file a scheduler, and `times` says when.
Nothing is installed, started or looked up here. It knows neither targets nor loads.
"""

"""What happens, in which order, when: the only folder beside `tasks/stage.py` that knows Prefect."""

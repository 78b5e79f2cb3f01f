"""What a verb with scores makes of the jobs of a sweep; torch is imported when it is called."""

from covseg.run.folder.sweep_folder import SweepFolder


def tabulate_jobs(sweep: SweepFolder) -> None:
    """Write the table of the sweep, after each job."""
    from covseg.run.verbs.sweep_table import write_sweep_table

    write_sweep_table(sweep)


def report_jobs(sweep: SweepFolder, _command: str = "") -> None:
    """Report the sweep, after the last job."""
    from covseg.run.verbs.sweep_report import report_sweep

    report_sweep(sweep)

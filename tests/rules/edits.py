"""The supervisor or the chart with one rule left out: an edit of its script or of a template, which is then what the tests use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.chart import helm
from tests.supervisor import harness


def edited(old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a mutant: the script with `old`, which must be there once, replaced by `new`."""

    def leave_out(patch: pytest.MonkeyPatch) -> None:
        text = harness.SCRIPT.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"supervisor.sh has {old!r} {text.count(old)} times"
        directory = Path(tempfile.mkdtemp(prefix="hapg-mutant-"))
        directory.chmod(0o755)
        script = directory / "supervisor.sh"
        script.write_text(text.replace(old, new), encoding="utf-8")
        patch.setattr(harness, "SCRIPT", script)

    return leave_out


def the_service_goes_by_readiness(patch: pytest.MonkeyPatch) -> None:
    """A mutant: a chart whose first Service, the primary's, leaves out pods that aren't ready."""
    chart = Path(tempfile.mkdtemp(prefix="hapg-mutant-")) / "chart"
    shutil.copytree(helm.CHART, chart)
    services = chart / "templates" / "services.yaml"
    services.write_text(services.read_text(encoding="utf-8").replace("  publishNotReadyAddresses: true\n", "", 1), encoding="utf-8")
    patch.setattr(helm, "template", partial(helm.template, chart=chart))


the_loop_does_not_fence = edited(
    'if [[ $STATE == primary ]] && ! { read_deadline "$TERM_OF_WRITES" && ((LEFT > 0)); }; then', "if false; then"
)
no_watchdog = edited("elif ((++passed > 1)); then", "elif false; then")
not_sealed = edited('&& sync "$DATA" "$STANDBY_FILE" "$DATA/$WAL"\n', '&& rm -f "$STANDBY_FILE"\n')
seals_unverified = edited("        look_at_seal\n", '        event "$SEAL_ID" ok -; SEAL_ID=\n')
any_deadline_promotes = edited("elif ((DEADLINE_TERM != term)); then", "elif false; then")
lower_terms_obeyed = edited("if ((term < MAX_TERM)); then", "if false; then")
skipped_timelines_unmarked = edited('if ((number != own)) && [[ ! -e $file ]]; then : >"$file"; fi', ":")
empty_histories_stay = edited('[[ -s $file ]] || rm -f "$file" || return 1', ":")
existing_timeline_taken = edited("elif [[ -e $file ]]; then\n        refuse", "elif false; then\n        refuse")
processes_outlive_the_postmaster = edited("    local id\n    kill_everything\n", "    local id\n")
locks_not_inherited = edited(">&5 2>&5 5>&- 6>&- 7>&- &", ">&5 2>&5 5>&- 6>&- 7>&- 8>&- 9>&- &")
sigterm_waits_for_nobody = edited("if ((TERMINATING)); then AGENT_SEEN=1; fi", ":")
clone_destroys_first = edited('if [[ -e $DATA ]]; then rm -rf "$former" || return; fi', 'rm -rf "$DATA"')
volume_not_locked = edited("for descriptor in 8 9 ", "for descriptor in 8 ")
wal_elsewhere_accepted = edited("of_this_major && has_its_wal || return\n    chmod", "of_this_major || return\n    chmod")
one_wal_directory = edited('APART=("$option=$WAL_VOLUME/wal.$id")', 'rm -rf "$WAL_VOLUME/wal.x"; APART=("$option=$WAL_VOLUME/wal.x")')
wal_volume_not_locked = edited("in 8 9 ${WAL_VOLUME:+4}; do", "in 8 9; do")
recovery_in_place = edited("-c restart_after_crash=off", "-c restart_after_crash=on")
promoted_by_anybody = edited("elif [[ $STATE == standby && ! -e $STANDBY_FILE ]]; then", "elif false; then")
promotions_unmarked = edited('|| : >"$VOLUME/foreign"', "|| :")
untried_files_read = edited("then IN_FORCE=$ACCEPTED; fi", "then IN_FORCE=$CONFIG; fi")
configuration_not_blamed = edited('    try_configuration "$IN_FORCE"\n', "")
guard_not_asked_for = edited("elif ((${5-0} && !GUARDED)); then", "elif false; then")

"""The supervisor or the chart with one rule left out: an edit of its script or of a template, which the tests then use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.chart import helm
from tests.supervisor import harness


def edited(part: str, old: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a mutant: the script with `old`, which must occur once in its file `part`, replaced by `new`."""

    def leave_out(patch: pytest.MonkeyPatch) -> None:
        folder = Path(tempfile.mkdtemp(prefix="hapg-mutant-"))
        folder.chmod(0o755)
        shutil.copytree(harness.SCRIPT.parent, folder, dirs_exist_ok=True)
        file = folder / part
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{part} has {old!r} {text.count(old)} times"
        file.write_text(text.replace(old, new), encoding="utf-8")
        patch.setattr(harness, "SCRIPT", folder / harness.SCRIPT.name)

    return leave_out


def the_service_goes_by_readiness(patch: pytest.MonkeyPatch) -> None:
    """A mutant: a chart whose first Service, the primary's, excludes pods that aren't ready."""
    chart = Path(tempfile.mkdtemp(prefix="hapg-mutant-")) / "chart"
    shutil.copytree(helm.CHART, chart)
    services = chart / "templates" / "services.yaml"
    services.write_text(services.read_text(encoding="utf-8").replace("  publishNotReadyAddresses: true\n", "", 1), encoding="utf-8")
    patch.setattr(helm, "template", partial(helm.template, chart=chart))


the_loop_does_not_fence = edited(
    "fence.sh", 'if [[ $STATE == primary ]] && ! { read_deadline "$TERM_OF_WRITES" && ((LEFT > 0)); }; then', "if false; then"
)
no_watchdog = edited("fence.sh", "elif ((++passed > 1)); then", "elif false; then")
not_sealed = edited("child_server.sh", '&& sync "$DATA" "$STANDBY_FILE" "$DATA/$WAL"\n', '&& rm -f "$STANDBY_FILE"\n')
seals_unverified = edited("supervisor.sh", "        look_at_seal\n", '        event "$SEAL_ID" ok -; SEAL_ID=\n')
waiting_receivers_unseen = edited("seal.sh", r"|idle|restarting at [0-9A-F]+/[0-9A-F]+)", ")")
disk_waits_unseen = edited("server.sh", "if [[ $key == voluntary_ctxt_switches: ]]; then switches=$value; fi", ":")
any_deadline_promotes = edited("primary.sh", "elif ((DEADLINE_TERM != term)); then", "elif false; then")
lower_terms_obeyed = edited("commands.sh", "if ((term < MAX_TERM)); then", "if false; then")
skipped_timelines_unmarked = edited("primary.sh", 'if ((number != own)) && [[ ! -e $file ]]; then : >"$file"; fi', ":")
empty_histories_stay = edited("child_server.sh", '[[ -s $file ]] || rm -f "$file" || return 1', ":")
existing_timeline_taken = edited("primary.sh", "elif [[ -e $file ]]; then\n        refuse", "elif false; then\n        refuse")
processes_outlive_the_postmaster = edited("fence.sh", "    local id\n    kill_everything\n", "    local id\n")
locks_not_inherited = edited("child_server.sh", ">&5 2>&5 5>&- 6>&- 7>&- &", ">&5 2>&5 5>&- 6>&- 7>&- 8>&- 9>&- &")
sigterm_waits_for_nobody = edited("commands.sh", "if ((TERMINATING)); then AGENT_SEEN=1; fi", ":")
clone_destroys_first = edited("child_clone.sh", 'if [[ -e $DATA ]]; then rm -rf "$former" || return; fi', 'rm -rf "$DATA"')
volume_not_locked = edited("supervisor.sh", "for descriptor in 8 9 ", "for descriptor in 8 ")
wal_elsewhere_accepted = edited(
    "child_server.sh", "of_this_major && has_its_wal || return\n    chmod", "of_this_major || return\n    chmod"
)
one_wal_directory = edited(
    "child_directory.sh", 'APART=("$option=$WAL_VOLUME/wal.$id")', 'rm -rf "$WAL_VOLUME/wal.x"; APART=("$option=$WAL_VOLUME/wal.x")'
)
wal_volume_not_locked = edited("supervisor.sh", "in 8 9 ${WAL_VOLUME:+4}; do", "in 8 9; do")
recovery_in_place = edited("child_server.sh", "-c restart_after_crash=off", "-c restart_after_crash=on")
promoted_by_anybody = edited("fence.sh", "elif [[ $STATE == standby && ! -e $STANDBY_FILE ]]; then", "elif false; then")
promotions_unmarked = edited("fence.sh", '|| : >"$VOLUME/foreign"', "|| :")
untried_files_read = edited("child_configuration.sh", "then IN_FORCE=$ACCEPTED; fi", "then IN_FORCE=$CONFIG; fi")
configuration_not_blamed = edited("child_configuration.sh", '    try_configuration "$IN_FORCE"\n', "")
guard_not_asked_for = edited("primary.sh", "elif ((${5-0} && !GUARDED)); then", "elif false; then")
any_major_cloned = edited("child_clone.sh", 'if [[ $1 != "$MAJOR" ]]; then', "if false; then")
upgrade_is_final = edited("child_upgrade.sh", 'elif is_of "$kept" "$MAJOR" && ! is_of "$DATA" "$MAJOR"; then', "elif false; then")

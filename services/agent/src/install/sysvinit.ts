import { type Installation, runLine, type ServicePlan } from './service-plan.js';

const NAME = 'muster-agent';
const SCRIPT = `/etc/init.d/${NAME}`;

/** An init script for machines without systemd; it uses Debian's start-stop-daemon(8). The agent is not restarted when it dies. */
export function sysvinit(installation: Installation): ServicePlan {
  const [program = '', ...args] = runLine(installation);
  const observe = installation.observe ? 'export MUSTER_AGENT_ACTIONS=none\n' : '';
  const script = `#!/bin/sh
### BEGIN INIT INFO
# Provides:          ${NAME}
# Required-Start:    $remote_fs $network $time
# Required-Stop:     $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Muster agent
### END INIT INFO
# Made by "muster-agent install".
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
PROGRAM=${quoted(program)}
PIDFILE=/run/${NAME}.pid
LOG=/var/log/${NAME}.log
umask 077
${observe}
is_running() {
  start-stop-daemon --status --quiet --pidfile "$PIDFILE" --exec "$PROGRAM"
}

start() {
  if is_running; then return 0; fi
  start-stop-daemon --start --quiet --oknodo --background --make-pidfile --pidfile "$PIDFILE" --chdir / \\
    --output "$LOG" --exec "$PROGRAM" -- ${args.map(quoted).join(' ')}
}

stop() {
  start-stop-daemon --stop --quiet --oknodo --retry TERM/35/KILL/5 --pidfile "$PIDFILE" --exec "$PROGRAM" --remove-pidfile
}

case "$1" in
  start) start ;;
  stop) stop ;;
  restart | force-reload) stop && start ;;
  status)
    if is_running; then echo "${NAME} runs, process $(cat "$PIDFILE")"; else echo "${NAME} does not run"; exit 3; fi
    ;;
  *) echo "Usage: $0 {start|stop|restart|force-reload|status}" >&2; exit 2 ;;
esac
`;
  const rotation = `/var/log/${NAME}.log {
  weekly
  rotate 4
  compress
  missingok
  notifempty
  copytruncate
}
`;
  return {
    files: [
      { path: SCRIPT, content: script, mode: 0o755 },
      { path: `/etc/logrotate.d/${NAME}`, content: rotation, mode: 0o644 },
    ],
    install: [
      ['update-rc.d', NAME, 'defaults'],
      [SCRIPT, 'restart'],
    ],
    uninstall: [[SCRIPT, 'stop']],
    afterwards: [['update-rc.d', NAME, 'remove']],
    status: [SCRIPT, 'status'],
  };
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

import { type Installation, runLine, type ServicePlan } from './service-plan.js';

const UNIT = 'muster-agent.service';

/**
 * Capabilities and what needs them. Programs that commands start have them too; the maintainer scripts of packages need
 * a writable file system and changing user ids.
 */
const CAPABILITIES = [
  // Tables: files and open files of other users.
  'CAP_DAC_READ_SEARCH',
  'CAP_SYS_PTRACE',
  // process.kill, and signals to daemons that flush their caches
  'CAP_KILL',
  // connection.kill, the ARP cache, host.isolate
  'CAP_NET_ADMIN',
  // file.quarantine and its undo, which change the owner and mode of files
  'CAP_DAC_OVERRIDE',
  'CAP_CHOWN',
  'CAP_FOWNER',
  'CAP_FSETID',
  // package.remove: apt and the scripts of packages change their user
  'CAP_SETUID',
  'CAP_SETGID',
];

/** Not restricted: memory that is writable and executable (the JIT compiler needs it), homes and /tmp (files are quarantined there). */
const FOR_ACTIONS = `CapabilityBoundingSet=${CAPABILITIES.join(' ')}
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelTunables=yes`;

const FOR_QUERIES = `Environment=MUSTER_AGENT_ACTIONS=none
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictSUIDSGID=yes`;

/** Buffers of its own; the rest of tracefs stays read-only (ProtectKernelTunables). */
const FOR_EVENTS = `ReadWritePaths=-/sys/kernel/tracing/instances
`;

/** A systemd unit (systemd.exec(5)). */
export function systemd(installation: Installation): ServicePlan {
  const { dataDir, observe, events } = installation;
  const unit = `# Made by "muster-agent install". Changes of your own belong in "systemctl edit muster-agent".
[Unit]
Description=Muster agent
Wants=network-online.target
After=network-online.target nss-lookup.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${runLine(installation).map(quoted).join(' ')}
Restart=always
RestartSec=5s
# A configuration with faults: nothing gets better by trying again.
RestartPreventExitStatus=2
TimeoutStopSec=35s
# The agent ends what its commands have started; a shell that it left is not its concern.
KillMode=mixed
UMask=0077
StateDirectory=muster-agent
StateDirectoryMode=0700
ReadWritePaths=-${quoted(dataDir)}
${events ? FOR_EVENTS : ''}${observe ? FOR_QUERIES : FOR_ACTIONS}
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`;
  return {
    files: [{ path: `/etc/systemd/system/${UNIT}`, content: unit, mode: 0o644 }],
    install: [
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'enable', UNIT],
      // Not "enable --now": an update must start the new program.
      ['systemctl', 'restart', UNIT],
    ],
    uninstall: [['systemctl', 'disable', '--now', UNIT]],
    afterwards: [['systemctl', 'daemon-reload']],
    status: ['systemctl', 'is-active', UNIT],
  };
}

/** Quotes a word for systemd.service(5), where `%` and `$` are special. */
function quoted(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll(/["\\]/g, '\\$&')}"`;
}

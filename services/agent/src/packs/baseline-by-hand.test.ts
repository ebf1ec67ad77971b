import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

/**
 * The machine itself, by the agent and by the programs that a person would use. In other states too: in namespaces of mounts and of the
 * network, so that the machine stays as it is.
 */
const TOOLS = ['/usr/bin/unshare', '/usr/bin/nsenter', '/usr/bin/cvtsudoers', '/usr/sbin/nft', '/usr/sbin/sysctl'];
const canLook =
  TOOLS.every((one) => existsSync(one)) && spawnSync('unshare', ['--mount', '--net', 'true']).status === 0;
const asRoot = process.getuid?.() === 0 && canLook ? describe : describe.skip;
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const SCRIPT = at('../../src/packs/look-by-hand.sh');
const AGENT = at('../main.js');
const PACK = at('../../../../shared/packs/shipped/linux-baseline.yaml');
const END = '-- by the agent --';

/** /etc is a copy in both. What is said there is gone with the namespace. */
const COPY = `
set -e
copy=$(mktemp -d /run/muster-etc.XXXXXX)
trap 'umount -l /etc; umount -l "$copy"; rmdir "$copy"' EXIT
mount -t tmpfs tmpfs "$copy"
cp -a /etc/. "$copy"
mount --bind "$copy" /etc
set +e`;

const GOOD = `${COPY}
for path in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 tmpfs $path; done
mkdir -p /etc/ssh
printf 'PermitRootLogin no\\nPasswordAuthentication no\\nMaxAuthTries 3\\nLoginGraceTime 60\\n' > /etc/ssh/sshd_config
chmod 600 /etc/ssh/sshd_config
touch /etc/ssh/ssh_host_ed25519_key; chmod 600 /etc/ssh/ssh_host_ed25519_key
sed -i 's/^PASS_MAX_DAYS.*/PASS_MAX_DAYS 365/' /etc/login.defs
sed -i -E 's#^([^:]+:[^:]*:[1-9][0-9]{0,2}:.*):[^:]*$#\\1:/usr/sbin/nologin#' /etc/passwd
echo 'APT::Periodic::Unattended-Upgrade "1";' > /etc/apt/apt.conf.d/99muster
printf 'DEFAULT_INPUT_POLICY="DROP"\\n' > /etc/default/ufw
for one in accept_redirects=0 send_redirects=0 accept_source_route=0 log_martians=1 rp_filter=1; do sysctl -qw net.ipv4.conf.all.$one; done`;

const BAD = `${COPY}
for path in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs $path; done
chmod 0777 /var/tmp
cp /bin/true /dev/shm/root; cp /bin/true /tmp/root; chmod 4755 /dev/shm/root /tmp/root
mkdir -p /etc/ssh/sshd_config.d
echo 'PermitRootLogin = yes' > /etc/ssh/sshd_config.d/1.conf
printf 'PermitRootLogin no\\nX11Forwarding yes\\nLogLevel QUIET\\nMatch User ann\\n  PasswordAuthentication no\\n' > /etc/ssh/sshd_config
chmod 666 /etc/ssh/sshd_config
touch /etc/ssh/ssh_host_rsa_key; chmod 644 /etc/ssh/ssh_host_rsa_key
printf 'toor:x:0:0::/root:/bin/sh\\nmuster-www:x:33:33::/:/bin/bash\\n' >> /etc/passwd
printf 'toor::19000:0:99999:7:::\\nmuster-www:$1$a$b:19000:0:99999:7:::\\n' >> /etc/shadow
chmod 644 /etc/shadow /etc/gshadow; chmod 664 /etc/group; chmod 666 /etc/ld.so.conf
touch /etc/motd /etc/crontab; chmod 666 /etc/motd /etc/crontab
sed -i '/use_pty/d' /etc/sudoers
printf 'Defaults !authenticate\\nmuster-www ALL=(ALL) NOPASSWD: ALL\\n' > /etc/sudoers.d/muster; chmod 646 /etc/sudoers.d/muster
echo 'deb [trusted=yes] http://localhost/ x main' > /etc/apt/sources.list.d/muster.list
printf 'DEFAULT_INPUT_POLICY="ACCEPT"\\n' > /etc/default/ufw
touch /etc/nftables.conf; chmod 666 /etc/nftables.conf
for one in accept_redirects=1 send_redirects=1 accept_source_route=1 log_martians=0 rp_filter=0; do sysctl -qw net.ipv4.conf.all.$one; done
sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0 net.ipv4.tcp_syncookies=0
coproc node -e "Promise.all([23, 2049, 6379, 5900, 2375].map((port) => new Promise((done) => require('node:net').createServer().listen(port, '0.0.0.0', done)))).then(() => console.log('listens'))"
listener=$COPROC_PID
read -r _ <&"\${COPROC[0]}"`;

type Outcomes = Readonly<Record<string, string>>;

async function look(setup: string): Promise<{ byHand: Outcomes; byAgent: Outcomes }> {
  const script = `${setup}
bash ${SCRIPT}
echo '${END}'
${process.execPath} ${AGENT} check ${PACK} --output ndjson
[ -z "$listener" ] || kill "$listener"`;
  const child = spawn('unshare', ['--mount', '--net', '--propagation', 'private', 'bash', '-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, faults] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  const [hand = '', agent] = output.split(`${END}\n`);
  if (agent === undefined || agent === '') throw new Error(faults);
  const words = hand.trim().split('\n');
  const verdicts = agent.trim().split('\n');
  return {
    byHand: Object.fromEntries(words.map((line) => line.split(' '))) as Outcomes,
    byAgent: Object.fromEntries(
      verdicts
        .map((line) => JSON.parse(line) as { id: string; outcome: string })
        .map(({ id, outcome }) => [id, outcome]),
    ),
  };
}

asRoot('linux-baseline agrees with a look by hand', () => {
  test('on this machine as it is', async () => {
    const { byHand, byAgent } = await look('');
    expect(Object.keys(byHand)).toHaveLength(87);
    expect(byAgent).toEqual(byHand);
  }, 120_000);

  test('on this machine, made better', async () => {
    const { byHand, byAgent } = await look(GOOD);
    expect(byAgent).toEqual(byHand);
    const failing = Object.keys(byHand).filter((id) => byHand[id] !== 'pass' && /^(ssh|mount-(tmp|var|dev))/.test(id));
    expect(failing).toEqual([]);
  }, 120_000);

  test('on this machine, made worse', async () => {
    const { byHand, byAgent } = await look(BAD);
    expect(byAgent).toEqual(byHand);
    const failing = Object.values(byHand).filter((outcome) => outcome === 'fail');
    expect(failing.length).toBeGreaterThan(50);
  }, 120_000);
});

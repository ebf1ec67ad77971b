import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { testCall, testHost, recordedHost } from '../testing/action-harness.js';
import { serviceActions } from './service-actions.js';
import { initScripts } from './init-scripts.js';
import { openrc } from './openrc.js';
import { systemd, unitOfCgroups, unitsRequiredBy } from './systemd.js';

const onLinux = process.platform === 'linux' ? describe : describe.skip;

/** A typical init script that does the work of start-stop-daemon by hand. */
const script = (folder: string): string => `#!/bin/sh
pidfile=${folder}/watcher.pid
alive() { [ -s "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$(cat "$pidfile")/status"; }
case "$1" in
  start) alive || { sleep 1000 & echo $! > "$pidfile"; echo "started"; } ;;
  stop) alive && kill "$(cat "$pidfile")"; rm -f "$pidfile.done"; exit 0 ;;
  restart) "$0" stop; while alive; do :; done; "$0" start ;;
  status) alive && exit 0; exit 3 ;;
  *) echo "Usage: $0 {start|stop|restart|status}"; exit 2 ;;
esac
`;

onLinux('services with init scripts on this machine', () => {
  let folder: string;
  const host = testHost();
  const call = (name: string, verb: string, options: object = {}) =>
    testCall(host, `service.${verb}`, { params: { name }, ...options });
  const run = async (name: string, verb: string, options: object = {}) => {
    const request = call(name, verb, options);
    const result = await actions()[`service.${verb}`]!.run(request);
    return { ...result, kept: request.kept };
  };
  const actions = () => serviceActions(() => initScripts(folder, folder));
  const isRunning = async () => (await host.run(join(folder, 'watcher'), ['status'], {})).code === 0;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-init-'));
    writeFileSync(join(folder, 'watcher'), script(folder));
    chmodSync(join(folder, 'watcher'), 0o755);
  });
  afterEach(async () => {
    await host.run(join(folder, 'watcher'), ['stop'], {});
    rmSync(folder, { recursive: true, force: true });
  });

  test('start, stop and restart report the state before and after, and can be undone', async () => {
    const started = await run('watcher', 'start');
    expect(started).toMatchObject({
      state: 'succeeded',
      effects: ['watcher: stopped before, running after'],
      kept: [{ name: 'watcher', verb: 'start' }],
    });
    expect(await isRunning()).toBe(true);
    expect(await run('watcher', 'start')).toMatchObject({ state: 'succeeded', code: 'unchanged', kept: [] });
    expect(await run('watcher', 'restart')).toMatchObject({ state: 'succeeded', code: 'ok', kept: [] });
    const halted = await run('watcher', 'stop');
    expect(halted).toMatchObject({ state: 'succeeded', effects: ['watcher: running before, stopped after'] });
    expect(await isRunning()).toBe(false);
    const undone = await actions()['service.stop']!.undo!(call('watcher', 'stop'), halted.kept[0]!);
    expect(undone).toMatchObject({ state: 'succeeded', message: 'watcher was started' });
    expect(await isRunning()).toBe(true);
  });

  test('a dry run reports what it would do and changes nothing', async () => {
    await run('watcher', 'start');
    expect(await run('watcher', 'stop', { dryRun: true })).toMatchObject({
      code: 'dry_run',
      effects: ['would stop watcher, which is running'],
      kept: [],
    });
    expect(await isRunning()).toBe(true);
  });

  test('a service name must be exactly the name of an executable script in the folder', async () => {
    writeFileSync(join(folder, 'notes'), 'not executable');
    for (const name of ['watche', 'watcher2', 'notes', '.', '..']) {
      expect(await run(name, 'stop')).toMatchObject({ state: 'failed', code: 'not_found' });
    }
    for (const name of ['../watcher', '--version', '']) {
      expect(await run(name, 'stop')).toMatchObject({ state: 'refused', code: 'bad_params' });
    }
  });

  test("boot scripts, protected services and the agent's own service are refused", async () => {
    for (const name of ['halt', 'agent']) {
      writeFileSync(join(folder, name), `#!/bin/sh\ntouch ${folder}/ran\nexit 3\n`);
      chmodSync(join(folder, name), 0o755);
    }
    writeFileSync(join(folder, 'agent.pid'), `${process.pid}\n`);
    expect(await run('halt', 'start')).toMatchObject({ state: 'refused', code: 'protected' });
    expect(await run('agent', 'stop')).toMatchObject({ state: 'refused', message: 'agent runs the agent' });
    expect(existsSync(join(folder, 'ran'))).toBe(false);
    const guarded = testCall(testHost({ protects: ['watcher.service'] }), 'service.stop', {
      params: { name: 'watcher' },
    });
    expect(await actions()['service.stop']!.run(guarded)).toMatchObject({ state: 'refused', code: 'protected' });
  });

  test('a failing script is a failure with its output', async () => {
    writeFileSync(join(folder, 'broken'), '#!/bin/sh\n[ "$1" = status ] && exit 0\necho "cannot" >&2\nexit 5\n');
    chmodSync(join(folder, 'broken'), 0o755);
    expect(await run('broken', 'stop')).toMatchObject({
      state: 'failed',
      code: 'manager_failed',
      message: 'init scripts did not stop broken: cannot',
    });
  });
});

const SHOW = 'systemctl show --property=Id,LoadState,ActiveState,SubState,FragmentPath,TriggeredBy -- ';
const unit = (active: string, sub: string, more = ''): string =>
  `Id=cron.service\nLoadState=loaded\nActiveState=${active}\nSubState=${sub}\nFragmentPath=/usr/lib/systemd/system/cron.service\nTriggeredBy=${more}\n`;

describe('services with systemd (recorded)', () => {
  const actions = serviceActions(() => systemd);
  const stop = (host: ReturnType<typeof recordedHost>, options: Parameters<typeof testCall>[2]) =>
    actions['service.stop']!.run(testCall(host, 'service.stop', options));

  test('the exact command lines', async () => {
    const host = recordedHost({
      [`${SHOW}cron.service`]: [
        { stdout: unit('active', 'running', 'cron.socket') },
        { stdout: unit('inactive', 'dead') },
      ],
      'systemctl stop --no-ask-password -- cron.service': { code: 0 },
    });
    expect(await stop(host, { params: { name: 'cron' } })).toEqual({
      state: 'succeeded',
      code: 'ok',
      message: 'cron.service was stopped',
      effects: ['cron.service: active (running) before, inactive (dead) after', 'cron.socket may start it again'],
    });
    expect(host.ran).toEqual([
      `${SHOW}cron.service`,
      'systemctl stop --no-ask-password -- cron.service',
      `${SHOW}cron.service`,
    ]);
  });

  test('a missing unit, a unit from another file and units of the machine itself are not stopped', async () => {
    const missing = recordedHost({ [`${SHOW}x.service`]: { stdout: 'Id=x.service\nLoadState=not-found\n' } });
    expect(await stop(missing, { params: { name: 'x' } })).toMatchObject({ state: 'failed', code: 'not_found' });
    const other = recordedHost({ [`${SHOW}cron.service`]: { stdout: unit('active', 'running') } });
    const binding = { id: 'cron.service', fragment_path: '/etc/systemd/system/cron.service' };
    expect(await stop(other, { binding })).toMatchObject({ state: 'refused', code: 'changed' });
    for (const id of ['dbus.service', 'multi-user.target', '-.mount', 'systemd-poweroff.service', 'init.scope']) {
      const stdout = unit('active', 'running').replace('cron.service', id);
      const host = recordedHost({ [`${SHOW}${id}`]: { stdout } });
      const result = await stop(host, { params: { name: id } });
      expect([id, result.state]).toEqual([id, 'refused']);
      expect(host.ran.some((line) => line.startsWith('systemctl stop'))).toBe(false);
    }
  });

  test('without an answer of the bus nothing is known of a unit, of those of the agent, or of what became of it', async () => {
    const stuck = { code: 1, stderr: 'Failed to get properties: Connection timed out\n' };
    const unknown = recordedHost({ [`${SHOW}x.service`]: stuck });
    const fault = { state: 'failed', code: 'program_failed', message: expect.stringMatching(/Connection timed out/) };
    expect(await stop(unknown, { params: { name: 'x' } })).toMatchObject(fault);
    const after = recordedHost({
      [`${SHOW}cron.service`]: [{ stdout: unit('active', 'running') }, stuck],
      'systemctl stop --no-ask-password -- cron.service': {},
    });
    expect(await stop(after, { params: { name: 'cron' } })).toMatchObject({
      state: 'failed',
      code: 'not_seen',
      effects: ['cron.service: active (running) before, not seen after'],
    });
    const required = recordedHost({
      'systemctl show --property=Requires,Requisite,BindsTo,PartOf -- a.service': stuck,
    });
    await expect(unitsRequiredBy(testCall(required, 'service.stop'), 'a.service')).rejects.toThrow(/timed out/);
  });

  test('an error message of systemctl is reported', async () => {
    const host = recordedHost({
      [`${SHOW}cron.service`]: { stdout: unit('active', 'running') },
      'systemctl restart --no-ask-password -- cron.service': {
        code: 1,
        stderr: 'Job for cron.service failed.\nSee "systemctl status cron.service" for details.\n',
      },
    });
    const result = await actions['service.restart']!.run(
      testCall(host, 'service.restart', { params: { name: 'cron' } }),
    );
    expect(result).toMatchObject({
      state: 'failed',
      code: 'manager_failed',
      message: expect.stringMatching(/details/),
    });
  });

  test('the unit of a process is the innermost service of its control group', () => {
    expect(unitOfCgroups('0::/system.slice/muster-agent.service\n')).toBe('muster-agent.service');
    expect(unitOfCgroups('12:pids:/x\n1:name=systemd:/user.slice/user@0.service/app.slice/a.service\n')).toBe(
      'a.service',
    );
    expect(unitOfCgroups('0::/init.scope\n')).toBeUndefined();
  });
});

describe('services with OpenRC (recorded)', () => {
  test('the exact command lines', async () => {
    const host = recordedHost({
      'rc-service --exists -- crond': { code: 0 },
      'rc-service -- crond status': [
        { code: 3, stdout: ' * status: stopped\n' },
        { code: 0, stdout: ' * status: started\n' },
      ],
      'rc-service -- crond start': { code: 0 },
    });
    const actions = serviceActions(() => openrc);
    const result = await actions['service.start']!.run(testCall(host, 'service.start', { params: { name: 'crond' } }));
    expect(result.effects).toEqual(['crond: stopped before, started after']);
    expect(host.ran[2]).toBe('rc-service -- crond start');
  });

  test('rc-service that cannot run is no machine without the service', async () => {
    const host = recordedHost({ 'rc-service --exists -- crond': { code: 127 } });
    const actions = serviceActions(() => openrc);
    const result = await actions['service.start']!.run(testCall(host, 'service.start', { params: { name: 'crond' } }));
    expect(result).toMatchObject({ state: 'failed', code: 'program_failed' });
  });

  test('a machine without a service manager is unsupported', async () => {
    const actions = serviceActions(() => undefined);
    const result = await actions['service.stop']!.run(testCall(testHost(), 'service.stop', { params: { name: 'x' } }));
    expect(result).toMatchObject({ state: 'unsupported', code: 'no_service_manager' });
  });
});

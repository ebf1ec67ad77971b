import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startAgentProgram } from '../testing/agent-program.js';
import { install, planFor, uninstall } from './install.js';
import { type Installation, type Manager, MANAGERS } from './service-plan.js';
import { parseSetting, settingsFile } from './settings-file.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'muster-install-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const UNIX: Installation = {
  program: [process.execPath, '/opt/muster-agent/muster-agent.cjs'],
  configFile: '/etc/muster-agent/agent.env',
  dataDir: '/var/lib/muster-agent',
  observe: false,
  events: false,
};
const WINDOWS: Installation = {
  program: ['C:\\Program Files\\MusterAgent\\muster-agent.exe'],
  configFile: 'C:\\ProgramData\\MusterAgent\\agent.env',
  dataDir: 'C:\\ProgramData\\MusterAgent\\data',
  observe: false,
  events: false,
};

const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
const textOf = (manager: Manager, installation: Installation): string =>
  String(planFor(manager, installation).files[0]!.content);

describe('the files and command lines of a service', () => {
  test('of systemd', () => {
    const plan = planFor('systemd', UNIX);
    expect(plan.files.map(({ path, mode }) => [path, mode])).toEqual([
      ['/etc/systemd/system/muster-agent.service', 0o644],
    ]);
    expect(plan.files[0]!.content).toContain(
      `ExecStart=${process.execPath} /opt/muster-agent/muster-agent.cjs run --config /etc/muster-agent/agent.env\n`,
    );
    expect(plan.install.map((line) => line.join(' '))).toEqual([
      'systemctl daemon-reload',
      'systemctl enable muster-agent.service',
      'systemctl restart muster-agent.service',
    ]);
    expect(plan.uninstall).toEqual([['systemctl', 'disable', '--now', 'muster-agent.service']]);
  });

  test('of systemd, with the rights for queries only', () => {
    const [acting, observing] = [UNIX, { ...UNIX, observe: true }].map((one) => textOf('systemd', one));
    const rights = (unit = ''): string[] => /^CapabilityBoundingSet=(.*)$/m.exec(unit)![1]!.split(' ');
    expect(rights(observing)).toEqual(['CAP_DAC_READ_SEARCH', 'CAP_SYS_PTRACE']);
    expect(rights(acting)).toEqual(expect.arrayContaining(['CAP_KILL', 'CAP_NET_ADMIN', 'CAP_CHOWN']));
    expect(acting).not.toMatch(/CAP_SYS_ADMIN|CAP_SYS_MODULE|CAP_SYS_RAWIO|CAP_BPF/);
    expect(observing).toMatch(/^Environment=MUSTER_AGENT_ACTIONS=none$/m);
    expect(observing).toMatch(/^ProtectSystem=strict$/m);
  });

  test('of systemd, where it records events, with a buffer of its own in the kernel and nothing else of it', () => {
    for (const observe of [false, true]) {
      const [without, with_] = [false, true].map((events) => textOf('systemd', { ...UNIX, observe, events }));
      const line = 'ReadWritePaths=-/sys/kernel/tracing/instances\n';
      expect(with_).toContain(line);
      expect(with_!.replace(line, '')).toBe(without);
      expect(without).not.toContain('tracing');
    }
  });

  const ifSystemd = has('systemd-analyze') ? describe : describe.skip;
  ifSystemd('as systemd itself', () => {
    test('reads them, with the rights for all and those for queries', () => {
      for (const observe of [false, true]) {
        // The program must be there for it.
        const program = [process.execPath, join(folder, 'with space', '100%', 'agent.cjs')];
        const [unit] = planFor('systemd', { ...UNIX, observe, events: true, program }).files;
        const path = join(folder, 'muster-agent.service');
        writeFileSync(path, unit!.content);
        const verified = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
        const faults = verified.stderr.split('\n').filter((line) => line.includes('muster-agent'));
        expect([faults, verified.error]).toEqual([[], undefined]);
        writeFileSync(path, String(unit!.content).replace('ProtectClock', 'ProtectClocks'));
        const wrong = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
        expect(wrong.stderr).toContain('ProtectClocks');
      }
    });
  });

  test('of sysvinit, as a shell reads them', () => {
    const strange = { ...UNIX, program: [process.execPath, "/opt/it's here/muster-agent.cjs"] };
    const path = join(folder, 'muster-agent');
    writeFileSync(path, textOf('sysvinit', strange));
    execFileSync('sh', ['-n', path]);
    expect(readFileSync(path, 'utf8')).toContain(String.raw`-- '/opt/it'\''s here/muster-agent.cjs' run --config`);
    expect(planFor('sysvinit', UNIX).install).toEqual([
      ['update-rc.d', 'muster-agent', 'defaults'],
      ['/etc/init.d/muster-agent', 'restart'],
    ]);
  });

  test('of launchd', () => {
    const plist = textOf('launchd', { ...UNIX, program: ['/opt/a&b/muster-agent'], observe: true });
    expect(plist).toContain('    <string>/opt/a&amp;b/muster-agent</string>\n    <string>run</string>\n');
    expect(plist).toContain('<key>MUSTER_AGENT_ACTIONS</key><string>none</string>');
    expect(planFor('launchd', UNIX).install[0]).toEqual([
      'launchctl',
      'bootstrap',
      'system',
      '/Library/LaunchDaemons/io.muster.agent.plist',
    ]);
  });

  test('of Windows', () => {
    const plan = planFor('windows-task', WINDOWS);
    const [task] = plan.files;
    const xml = (task!.content as Buffer).toString('utf16le');
    expect([task!.path, xml.charCodeAt(0)]).toEqual(['C:\\ProgramData\\MusterAgent\\task.xml', 0xfeff]);
    expect(xml).toContain('<Command>C:\\Program Files\\MusterAgent\\muster-agent.exe</Command>');
    expect(xml).toContain('<Arguments>run --config C:\\ProgramData\\MusterAgent\\agent.env</Arguments>');
    expect(xml).toContain('<UserId>S-1-5-18</UserId>');
    expect(plan.install[1]).toEqual(['schtasks', '/Create', '/F', '/TN', 'MusterAgent', '/XML', task!.path]);
    expect(
      (planFor('windows-task', { ...WINDOWS, observe: true }).files[0]!.content as Buffer).toString('utf16le'),
    ).toContain('/d /s /c &quot;set MUSTER_AGENT_ACTIONS=none&amp;&amp; &quot;C:\\Program'.replaceAll('&quot;', '"'));
  });

  test.each(MANAGERS)('of %s never hold a secret', (manager) => {
    const plan = planFor(manager, manager === 'windows-task' ? WINDOWS : UNIX);
    expect(JSON.stringify(plan)).not.toMatch(/ENROLL|SECRET/);
  });
});

describe('installing', () => {
  const printed: string[] = [];
  const context = (dryRun = false) => ({
    root: join(folder, 'root'),
    dryRun,
    printLine: (line: string) => void printed.push(line),
  });
  const options = (settings: string) => ({
    plan: planFor('systemd', UNIX),
    program: { from: join(folder, 'muster-agent.cjs'), to: '/opt/muster-agent/muster-agent.cjs' },
    configFile: UNIX.configFile,
    dataDir: UNIX.dataDir,
    settings,
  });
  const at = (path: string): string => join(folder, 'root', path);
  beforeEach(() => {
    printed.length = 0;
    writeFileSync(join(folder, 'muster-agent.cjs'), 'the program');
  });

  test('writes all files with the right permissions; run again, it updates them and keeps the settings', () => {
    install(options('A=1\n'), context());
    expect(readFileSync(at('/opt/muster-agent/muster-agent.cjs'), 'utf8')).toBe('the program');
    const modes = ['/etc/muster-agent/agent.env', '/var/lib/muster-agent', '/etc/systemd/system/muster-agent.service'];
    expect(modes.map((path) => statSync(at(path)).mode & 0o777)).toEqual([0o600, 0o700, 0o644]);
    expect(printed.filter((line) => line.startsWith('skip'))).toHaveLength(3);
    writeFileSync(join(folder, 'muster-agent.cjs'), 'the next program');
    install(options('A=2\n'), context());
    expect(readFileSync(at('/opt/muster-agent/muster-agent.cjs'), 'utf8')).toBe('the next program');
    expect(readFileSync(at('/etc/muster-agent/agent.env'), 'utf8')).toBe('A=1\n');
  });

  test('is undone by uninstall, which keeps the identity unless --purge is given', () => {
    install(options('A=1\n'), context());
    mkdirSync(at(UNIX.dataDir), { recursive: true });
    writeFileSync(at('/var/lib/muster-agent/agent-key'), 'key');
    uninstall({ ...options(''), purge: false }, context());
    expect(
      ['/opt/muster-agent', '/etc/systemd/system/muster-agent.service'].map((path) => existsSync(at(path))),
    ).toEqual([false, false]);
    expect(existsSync(at('/var/lib/muster-agent/agent-key'))).toBe(true);
    uninstall({ ...options(''), purge: true }, context());
    expect([UNIX.dataDir, UNIX.configFile].map((path) => existsSync(at(path)))).toEqual([false, false]);
  });

  test('only prints what it would do, with --print', () => {
    install(options('A=1\n'), context(true));
    expect(existsSync(at('/'))).toBe(false);
    expect(printed).toContain('write  /etc/systemd/system/muster-agent.service');
  });

  test('is refused from a checkout, and without a gateway', async () => {
    const checkout = startAgentProgram(['install', '--root', folder, '--set', 'MUSTER_GATEWAY_URL=https://gateway']);
    expect([await checkout.exited, checkout.output]).toEqual([2, expect.stringContaining('npm run bundle:agent')]);
    const nowhere = startAgentProgram(['install', '--root', folder]);
    expect([await nowhere.exited, nowhere.output]).toEqual([2, expect.stringContaining('--set MUSTER_GATEWAY_URL')]);
    const unknown = startAgentProgram(['status', '--manager', 'upstart']);
    expect([await unknown.exited, unknown.output]).toEqual([2, expect.stringContaining('systemd, sysvinit')]);
  });
});

describe('the settings file', () => {
  test('is read back as it was given, whatever the values contain', () => {
    const settings = [
      ['MUSTER_GATEWAY_URL', 'https://gateway.example.com'],
      ['HTTPS_PROXY', 'http://anna:p#ss$word%21@proxy:3128'],
      ['MUSTER_ENROLL_SECRET', `a 'b' \\n "c"`],
      ['MUSTER_LABELS', 'env=prod,site=Zürich West'],
    ] as const;
    expect(parseEnv(settingsFile(settings))).toEqual(Object.fromEntries(settings));
    expect(() => settingsFile([['A', 'two\nlines']])).toThrow('A has characters');
  });

  test('takes NAME=value', () => {
    expect(parseSetting('A=b=c')).toEqual(['A', 'b=c']);
    expect(() => parseSetting('=b')).toThrow('NAME=value');
  });
});

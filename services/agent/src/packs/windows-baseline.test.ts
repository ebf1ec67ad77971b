import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readPack } from '@muster/packs';
import { createSqlEngine, type SqlEngine, type TableRow, TABLES } from '@muster/tables';
import { resultOf } from './check-pack.js';

const text = readFileSync(new URL('../../../../shared/packs/shipped/windows-baseline.yaml', import.meta.url), 'utf8');
const read = readPack(text);
if (!read.ok) throw new Error(JSON.stringify(read.faults));
const checks = read.pack.checks;

const LSA = 'SYSTEM\\CurrentControlSet\\Control\\Lsa';
const POLICIES = 'SOFTWARE\\Policies\\Microsoft\\';
const SYSTEM_POLICY = 'SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System';
const FIREWALL = 'SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy\\';
const SMB = 'SYSTEM\\CurrentControlSet\\Services\\LanmanServer\\Parameters';

/** Values by check: key below HKEY_LOCAL_MACHINE, name, data that is right, data that is not. */
const VALUES: Readonly<Record<string, readonly [key: string, name: string, good: string, bad: string]>> = {
  'accounts-control': [SYSTEM_POLICY, 'EnableLUA', '1', '0'],
  'accounts-admin-prompt': [SYSTEM_POLICY, 'ConsentPromptBehaviorAdmin', '5', '0'],
  'accounts-secure-desktop': [SYSTEM_POLICY, 'PromptOnSecureDesktop', '1', '0'],
  'accounts-blank-passwords': [LSA, 'LimitBlankPasswordUse', '1', '0'],
  'credentials-lsa-protection': [LSA, 'RunAsPPL', '2', '0'],
  'credentials-wdigest': [
    'SYSTEM\\CurrentControlSet\\Control\\SecurityProviders\\WDigest',
    'UseLogonCredential',
    '0',
    '1',
  ],
  'credentials-ntlm': [LSA, 'LmCompatibilityLevel', '5', '3'],
  'credentials-lm-hash': [LSA, 'NoLMHash', '1', '0'],
  'network-anonymous-accounts': [LSA, 'RestrictAnonymousSAM', '1', '0'],
  'network-smb1-server': [SMB, 'SMB1', '0', '1'],
  'network-smb-signing': [SMB, 'RequireSecuritySignature', '1', '0'],
  'network-llmnr': [`${POLICIES}Windows NT\\DNSClient`, 'EnableMulticast', '0', '1'],
  'network-rdp-authentication': [
    'SYSTEM\\CurrentControlSet\\Control\\Terminal Server\\WinStations\\RDP-Tcp',
    'UserAuthentication',
    '1',
    '0',
  ],
  'firewall-domain': [`${FIREWALL}DomainProfile`, 'EnableFirewall', '1', '0'],
  'firewall-private': [`${FIREWALL}StandardProfile`, 'EnableFirewall', '1', '0'],
  'firewall-public': [`${FIREWALL}PublicProfile`, 'EnableFirewall', '1', '0'],
  'updates-automatic': [`${POLICIES}Windows\\WindowsUpdate\\AU`, 'NoAutoUpdate', '0', '1'],
  'defender-on': [`${POLICIES}Windows Defender`, 'DisableAntiSpyware', '0', '1'],
  'defender-real-time': [`${POLICIES}Windows Defender\\Real-Time Protection`, 'DisableRealtimeMonitoring', '0', '1'],
  'logging-powershell': [`${POLICIES}Windows\\PowerShell\\ScriptBlockLogging`, 'EnableScriptBlockLogging', '1', '0'],
  'devices-autorun': [
    'SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\Explorer',
    'NoDriveTypeAutoRun',
    '255',
    '145',
  ],
};
/** Services by check, as they are when all is well and when not. */
const SERVICES: Readonly<Record<string, readonly [name: string, good: string, bad: string]>> = {
  'services-remote-registry': ['RemoteRegistry', 'STOPPED', 'RUNNING'],
  'services-telnet': ['TlntSvr', 'STOPPED', 'RUNNING'],
  'services-event-log': ['EventLog', 'RUNNING', 'STOPPED'],
  'services-time': ['W32Time', 'RUNNING', 'DISABLED'],
  'services-defender': ['WinDefend', 'RUNNING', 'STOPPED'],
};

let engine: SqlEngine;
let failing = '';
beforeAll(async () => {
  const provider = {
    has: () => true,
    collect: (table: string): TableRow[] => (table === 'registry' ? registry() : services()),
  };
  engine = await createSqlEngine({ tables: TABLES, provider, platform: 'windows' });
});
afterAll(() => engine.close());

function registry(): TableRow[] {
  return Object.entries(VALUES).map(([id, [key, name, good, bad]]) => {
    const full = `HKEY_LOCAL_MACHINE\\${key}`;
    return { key: full, path: `${full}\\${name}`, name, type: 'REG_DWORD', data: id === failing ? bad : good };
  });
}

function services(): TableRow[] {
  return Object.entries(SERVICES).map(([id, [name, good, bad]]) => {
    const status = id === failing ? bad : good;
    const startType = status === 'DISABLED' ? 'DISABLED' : 'DEMAND_START';
    return { name, display_name: name, status, start_type: startType, path: 'C:\\x.exe', service_type: 'OWN_PROCESS' };
  });
}

test.each(checks.map((check) => [check.id, check] as const))(
  'on rows in the form of osquery %s passes and fails',
  (id, check) => {
    failing = '';
    expect(resultOf(engine, check, 'windows').outcome).toBe('pass');
    failing = id;
    expect(resultOf(engine, check, 'windows').outcome).toBe('fail');
    expect(resultOf(engine, check, 'linux').outcome).toBe('not_applicable');
  },
);

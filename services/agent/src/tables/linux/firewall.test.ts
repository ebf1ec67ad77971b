import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { parseIptablesSave } from './parse/iptables-save.js';

describe('rules of iptables', () => {
  test('are those of their chain, whatever their comments say', () => {
    const saved = [
      ...['# Generated', '*filter', ':INPUT DROP [3:180]', ':own - [0:0]'],
      '[1:60] -A INPUT ! -i eth+ -p tcp -m tcp --dport 22 -m comment --comment "a \\"-j DROP\\" -s 9.9.9.9" -j own',
      '[0:0] -A own -s 10.0.0.0/9 -g INPUT',
      ...['COMMIT', '*nat', ':INPUT ACCEPT [0:0]', 'COMMIT', ''],
    ].join('\n');
    expect(Array.from(parseIptablesSave(saved))).toMatchObject([
      { chain: 'INPUT', policy: 'DROP', target: 'own', protocol: 6, dst_port: '22:22', src_port: '0:65535' },
      { filter_name: 'filter', chain: 'INPUT', policy: 'DROP', packets: 3n, bytes: 180n },
      { chain: 'own', policy: '', target: 'INPUT', src_ip: '10.0.0.0', src_mask: '255.128.0.0', protocol: 0 },
      { filter_name: 'filter', chain: 'own', policy: '' },
      { filter_name: 'nat', chain: 'INPUT', policy: 'ACCEPT' },
    ]);
    const [first] = parseIptablesSave(saved);
    expect(first).toMatchObject({ iniface: '!eth+', iniface_mask: 'FFFFFF', src_ip: '0.0.0.0', packets: 1n });
  });
});

const inNetwork = ['--net', 'sh', '-ec'];
const canRun =
  process.getuid?.() === 0 && spawnSync('unshare', [...inNetwork, 'nft list ruleset && iptables-nft -L']).status === 0;
const whereRun = canRun ? describe : describe.skip;

whereRun('rules of this machine', () => {
  test('of both kinds, and those of nftables, are there where the programs are', () => {
    const program = `
      import('${new URL('../table-fixture.js', import.meta.url).href}').then(async ({ LinuxTables }) => {
        const tables = await LinuxTables.open();
        const ask = (sql) => tables.query(sql).rows;
        console.log(JSON.stringify([
          ask("SELECT chain, target, dst_port FROM iptables WHERE target != '' ORDER BY chain"),
          ask("SELECT family, table_name, chain, hook, priority, policy, packets FROM nftables WHERE table_name = 'box'"),
        ]));
        tables.close();
      })`;
    const rules = `
      iptables-nft -A FORWARD -p udp --dport 53 -j DROP
      nft 'table inet box { chain in { type filter hook input priority 5; policy drop; counter accept; }; }'
      exec "$0" --input-type=module -e "$1"`;
    const output = execFileSync('unshare', [...inNetwork, rules, process.execPath, program], { encoding: 'utf8' });
    expect(JSON.parse(output)).toEqual([
      [{ chain: 'FORWARD', target: 'DROP', dst_port: '53:53' }],
      [{ family: 'inet', table_name: 'box', chain: 'in', hook: 'input', priority: 5, policy: 'drop', packets: 0 }],
    ]);
  });
});

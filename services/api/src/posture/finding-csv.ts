import { csvLine } from '../queries/csv.js';
import type { Found } from './found.js';

const COLUMNS = [
  ...['pack', 'version', 'check', 'severity', 'title', 'outcome', 'endpoints', 'excepted', 'sample', 'reason'],
  ...['evidence', 'exceptions', 'remediation'],
];

/** A line for each finding (RFC 4180). Most of it is said by endpoints, so that a spreadsheet must not take it for formulas. */
export async function* csvText({ pack, findings }: Found): AsyncGenerator<string> {
  const checks = new Map(pack.checks.map((check) => [check.id, check]));
  yield csvLine(COLUMNS, true);
  for await (const { check: id, outcome, endpoints, sample, reason, evidence, exceptions } of findings) {
    const check = checks.get(id);
    const hosts = sample.map(({ host, num }) => host ?? `#${num}`).join(' ');
    const allowed = exceptions.map(
      ({ id: one, owner, reason: why, until }) => `${one} until ${until} (${owner}): ${why}`,
    );
    const excepted = exceptions.reduce((sum, one) => sum + one.endpoints, 0);
    const line = [
      ...[pack.id, pack.version, id, check?.severity ?? '', check?.title ?? '', outcome, endpoints, excepted, hosts],
      ...[reason, evidence, allowed.length === 0 ? null : allowed.join('; '), check?.remediation ?? null],
    ];
    yield csvLine(line, true);
  }
}

import { EMPTY_LEDGER } from '@muster/protocol';
import { expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness();
const ID = 'v01kb0000000000000000000000';
const NONE = { critical: 0, high: 0, medium: 0, low: 0, none: 0, unknown: 0 };
const ANSWERED = { ...EMPTY_LEDGER, targeted: 2, answered: 2 };

function scanJson(more: object = {}, ledgers: readonly object[] = [ANSWERED, ANSWERED]) {
  return {
    ...{ id: ID, state: 'complete', selector: '', scope: '', operator: { id: 'o', name: 'O' } },
    ...{ createdAt: '2026-11-30T10:00:00.000Z', endedAt: '2026-11-30T10:00:05.000Z', vulnerabilities: NONE },
    questions: ledgers.map((ledger, i) => ({ kind: `k${i}`, query: `q${i}`, state: 'complete', ledger })),
    ...{ packages: { vulnerable: 0, not_vulnerable: 1, not_known: 0 }, knownExploited: 0, suppressed: 0, notKnown: [] },
    ...more,
  };
}

const EMPTY = { ...EMPTY_LEDGER, targeted: 2, empty: 2 };
const UNKNOWN = { vulnerabilities: { ...NONE, unknown: 2 } };

test.each([
  ['everything is known', scanJson(), [], 0, ''],
  ['nobody has packages of languages', scanJson({}, [ANSWERED, EMPTY]), [], 0, ''],
  ['nobody was targeted', scanJson({}, [EMPTY_LEDGER, EMPTY_LEDGER]), [], 3, 'No endpoint answered'],
  ['one without a severity is there', scanJson(UNKNOWN), [], 0, ''],
  ['it may be critical', scanJson(UNKNOWN), ['--fail-on', 'critical'], 3, 'The severity of 2 is not known'],
  ['it is exploited', scanJson({ ...UNKNOWN, knownExploited: 1 }), ['--fail-on', 'critical'], 4, ''],
  ['unknown ones are named', scanJson(UNKNOWN), ['--fail-on', 'unknown'], 4, ''],
])('scan: %s', async (_, found, args, code, err) => {
  api.json('POST /v1/vulnerability-scans', found, 201);
  api.json(`GET /v1/vulnerability-scans/${ID}`, found);
  for (const form of ['table', 'json'])
    expect(await muster(['vulnerabilities', 'scan', '-o', form, ...args])).toMatchObject({
      code,
      err: expect.stringContaining(err) as unknown,
    });
});

const VULNERABILITY = {
  ...{ id: 'CVE-2026-1', advisories: ['=1+1'], summary: '=HYPERLINK("x")', severity: 'critical', fixable: true },
  ...{ packages: 1, endpointsAtLeast: 1, endpointsAtMost: 1 },
};

test('list says of which scan it is, and its CSV has neither formulas nor control characters', async () => {
  api.json(`GET /v1/vulnerability-scans/${ID}`, scanJson({ scope: 'os=linux', state: 'interrupted' }));
  const items = [VULNERABILITY, { ...VULNERABILITY, summary: 'red \u001b[31m' }];
  api.json('GET /v1/vulnerabilities', { scan: ID, total: 2, items });
  const { out, err, code } = await muster(['vulnerabilities', 'list', '-o', 'csv']);
  expect({ err, code }).toEqual({ code: 0, err: expect.stringContaining(`${ID}, os=linux, interrupted`) as unknown });
  expect(out).toContain(`'=1+1,"'=HYPERLINK(""x"")"`);
  expect(out).toContain('red \\e[31m');
});

test('show has the scan with its state, and a CSV without formulas', async () => {
  const affected = [
    {
      ...{ ecosystem: 'npm', package: '=cmd()', version: '@1', advisories: ['A'], sample: [] },
      endpointsAtLeast: 1,
      endpointsAtMost: 1,
    },
  ];
  api.json('GET /v1/vulnerabilities/CVE-2026-1', { ...VULNERABILITY, scan: ID, affected, isCut: false });
  api.json(`GET /v1/vulnerability-scans/${ID}`, scanJson());
  expect((await muster(['vulnerabilities', 'show', 'CVE-2026-1'])).out).toContain(`${ID}, all endpoints, complete`);
  expect((await muster(['vulnerabilities', 'show', 'CVE-2026-1', '-o', 'csv'])).out).toContain(`npm,'=cmd(),'@1`);
});

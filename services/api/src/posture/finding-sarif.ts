import type { Check } from '@muster/packs';
import type { FindingJson } from '@muster/api-contract';
import { isoTime } from '../http/json-members.js';
import type { Found } from './found.js';

/** SARIF 2.1.0 (OASIS Standard, 27 March 2020). */
const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json';
const LEVELS = { info: 'note', low: 'note', medium: 'warning', high: 'error', critical: 'error' } as const;
/** What code-scanning pages sort by: the middle of the range of each severity of CVSS. */
const SECURITY_SEVERITY = { info: '0.0', low: '2.0', medium: '5.5', high: '8.0', critical: '9.5' } as const;
const KINDS = {
  pass: 'pass',
  fail: 'fail',
  error: 'open',
  not_applicable: 'notApplicable',
  over_budget: 'open',
} as const;

/** One run: the checks of the pack are its rules, a finding is a result, the endpoints are logical locations. */
export async function* sarifText({ scan, pack, findings }: Found): AsyncGenerator<string> {
  const index = new Map(pack.checks.map((check, at) => [check.id, at]));
  const driver = {
    ...{ name: 'Muster', organization: 'Muster', informationUri: 'https://muster.example/' },
    ...{ semanticVersion: pack.version, fullName: `Muster, pack ${pack.id}` },
    rules: pack.checks.map(ruleOf),
  };
  const run = {
    tool: { driver },
    automationDetails: { id: `${pack.id}/${scan.id}` },
    invocations: [
      {
        executionSuccessful: scan.state === 'complete',
        startTimeUtc: isoTime(scan.createdAtMs),
        ...(scan.endedAtMs === undefined ? {} : { endTimeUtc: isoTime(scan.endedAtMs) }),
      },
    ],
    columnKind: 'utf16CodeUnits',
    properties: { scan: scan.id, scope: scan.scope, ledger: scan.ledger },
    // Last, so that results can be put between its brackets.
    results: [],
  };
  const empty = JSON.stringify({ $schema: SCHEMA, version: '2.1.0', runs: [run] });
  yield empty.slice(0, -END.length);
  let separator = '';
  for await (const finding of findings) {
    yield separator + JSON.stringify(resultOf(finding, pack.checks[index.get(finding.check) ?? -1], index));
    separator = ',\n';
  }
  yield `${END}\n`;
}

/** What closes the results, the run, the runs and the log. */
const END = ']}]}';

function ruleOf(check: Check): object {
  const { id, title, description, severity, remediation, references = {}, tags = [] } = check;
  const labels = Object.entries(references).flatMap(([kind, values]) =>
    kind === 'url' ? [] : labelled(kind, values ?? []),
  );
  return {
    id,
    shortDescription: { text: sentence(title) },
    fullDescription: { text: sentence(description ?? title) },
    ...(remediation === undefined ? {} : { help: { text: remediation } }),
    ...(references.url?.[0] === undefined ? {} : { helpUri: references.url[0] }),
    defaultConfiguration: { level: LEVELS[severity] },
    properties: { 'security-severity': SECURITY_SEVERITY[severity], tags: ['security', ...tags, ...labels] },
  };
}

const labelled = (kind: string, values: readonly string[]): string[] => values.map((value) => `${kind}:${value}`);

function resultOf(finding: FindingJson, check: Check | undefined, index: ReadonlyMap<string, number>): object {
  const { check: ruleId, outcome, reason, evidence, endpoints, sample, exceptions } = finding;
  const kind = KINDS[outcome];
  const excepted = exceptions.reduce((sum, one) => sum + one.endpoints, 0);
  const named = sample.map(({ host, agentId, num }) => ({
    logicalLocations: [{ name: host ?? `#${num}`, fullyQualifiedName: agentId ?? `#${num}`, kind: 'endpoint' }],
  }));
  const said = [evidence, reason].filter((one) => one !== null).join('; ');
  const text = `${check?.title ?? ruleId}: ${outcome} on ${endpoints} ${endpoints === 1 ? 'endpoint' : 'endpoints'}${said === '' ? '' : `. ${said}`}`;
  return {
    ...{ ruleId, ruleIndex: index.get(ruleId) ?? -1, kind },
    // Only of what fails a level is allowed (3.27.10).
    level: kind === 'fail' ? LEVELS[check?.severity ?? 'info'] : 'none',
    message: { text: sentence(text) },
    locations: named.slice(0, 1),
    relatedLocations: named.slice(1),
    occurrenceCount: Math.max(1, endpoints),
    // A result is suppressed when all of it is.
    ...(excepted < endpoints || excepted === 0
      ? {}
      : {
          suppressions: exceptions.map((one) => ({
            ...{
              kind: 'external',
              status: 'accepted',
              justification: `${one.reason} (${one.owner}, until ${one.until})`,
            },
          })),
        }),
    properties: { endpoints, excepted, ...(evidence === null ? {} : { evidence }) },
  };
}

/** Messages end with a period (validators ask for it). */
const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

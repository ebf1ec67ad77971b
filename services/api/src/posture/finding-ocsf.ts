import type { Check } from '@muster/packs';
import type { FindingJson } from '@muster/api-contract';
import { OCSF_VERSION } from '../audit/ocsf.js';
import type { Found } from './found.js';

const CLASS = { class_uid: 2003, class_name: 'Compliance Finding' } as const;
const CATEGORY = { category_uid: 2, category_name: 'Findings' } as const;
const ACTIVITY = { activity_id: 1, activity_name: 'Create', type_uid: 200301, type_name: 'Compliance Finding: Create' };
const SEVERITIES = {
  info: { severity_id: 1, severity: 'Informational' },
  low: { severity_id: 2, severity: 'Low' },
  medium: { severity_id: 3, severity: 'Medium' },
  high: { severity_id: 4, severity: 'High' },
  critical: { severity_id: 5, severity: 'Critical' },
} as const;
const STATUS = { new: { status_id: 1, status: 'New' }, suppressed: { status_id: 3, status: 'Suppressed' } } as const;
/** Of the object compliance. */
const VERDICTS = {
  pass: { status_id: 1, status: 'Pass' },
  fail: { status_id: 3, status: 'Fail' },
  error: { status_id: 0, status: 'Unknown' },
  not_applicable: { status_id: 99, status: 'Not applicable' },
  over_budget: { status_id: 0, status: 'Unknown' },
} as const;

/** A line for each finding: an event of the class Compliance Finding. What the schema has no member for is in `unmapped`. */
export async function* ocsfText(found: Found): AsyncGenerator<string> {
  const checks = new Map(found.pack.checks.map((check) => [check.id, check]));
  let at = 0;
  for await (const finding of found.findings) {
    yield `${JSON.stringify(eventOf(found, finding, checks.get(finding.check), at))}\n`;
    at += 1;
  }
}

function eventOf({ scan, pack }: Found, finding: FindingJson, check: Check | undefined, at: number): object {
  const { check: id, outcome, reason, evidence, endpoints, sample, exceptions } = finding;
  const time = scan.endedAtMs ?? scan.createdAtMs;
  const excepted = exceptions.reduce((sum, one) => sum + one.endpoints, 0);
  const isSuppressed = excepted > 0 && excepted === endpoints;
  const { cis = [], nist = [], pci = [], cce = [], url = [] } = check?.references ?? {};
  const requirements = [cis.map((one) => `CIS ${one}`), nist.map((one) => `NIST SP 800-53 ${one}`)].flat();
  requirements.push(...pci.map((one) => `PCI DSS ${one}`), ...cce);
  return {
    ...{ ...CATEGORY, ...CLASS, ...ACTIVITY, ...SEVERITIES[check?.severity ?? 'info'] },
    ...(isSuppressed ? STATUS.suppressed : STATUS.new),
    time,
    message: `${check?.title ?? id}: ${outcome} on ${endpoints} ${endpoints === 1 ? 'endpoint' : 'endpoints'}`,
    metadata: {
      ...{ version: OCSF_VERSION, product: { name: 'Muster', vendor_name: 'Muster' }, log_name: 'scan' },
      ...{ uid: `${scan.id}-${at}`, tenant_uid: scan.org, correlation_uid: scan.id },
    },
    finding_info: {
      ...{ uid: `${scan.id}/${id}/${at}`, title: check?.title ?? id, created_time: time },
      ...(check?.description === undefined ? {} : { desc: check.description }),
      types: [pack.id],
    },
    compliance: {
      ...{ standards: [`${pack.id} ${pack.version}`], control: id, ...VERDICTS[outcome] },
      ...(requirements.length === 0 ? {} : { requirements }),
      ...(reason === null ? {} : { status_detail: reason }),
    },
    ...(check?.remediation === undefined
      ? {}
      : { remediation: { desc: check.remediation, ...(url.length === 0 ? {} : { references: url }) } }),
    resources: sample.map(({ num, agentId, host }) => ({
      ...{ uid: agentId ?? `#${num}`, type: 'endpoint', ...(host === null ? {} : { name: host }) },
    })),
    unmapped: { endpoints, excepted, evidence, ...(exceptions.length === 0 ? {} : { exceptions }) },
  };
}

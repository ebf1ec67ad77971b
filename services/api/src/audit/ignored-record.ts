import type { NewAuditRecord } from '@muster/audit';
import type { OrgId } from '@muster/protocol';
import type { UnauthenticRecord } from '@muster/service-base/settings';

/** The audit record of a kept record that decides rights and that no API has signed. Who wrote it is not known. */
export function ignoredRecord({ subject, stream, seq, timestampMs, reason }: UnauthenticRecord): NewAuditRecord {
  // muster.v1.token.ORG.…, muster.v1.identity.ORG.…
  const org = (subject.split('.')[3] ?? '') as OrgId;
  return {
    ...{ org, actor: 'broker', actorName: 'somebody at the broker', action: 'record.ignore', outcome: 'refused' },
    ...{ from: '', subject, code: reason, details: { stream, seq, storedAtMs: timestampMs } },
  };
}

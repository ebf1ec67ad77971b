import { isIP } from 'node:net';
import type { AuditRecord } from '@muster/records';

/** The version of the Open Cybersecurity Schema Framework that events are written for. */
export const OCSF_VERSION = '1.2.0';

const CATEGORY = { category_uid: 6, category_name: 'Application Activity' } as const;
const CLASS = { class_uid: 6003, class_name: 'API Activity' } as const;

const ACTIVITIES = { Create: 1, Read: 2, Update: 3, Delete: 4, Other: 99 } as const;
type Activity = keyof typeof ACTIVITIES;

/** By the verb of an action, `query.start`. All others are reading, but for those that nobody here knows. */
const VERBS: Readonly<Record<string, Activity>> = {
  ...{
    create: 'Create',
    start: 'Create',
    submit: 'Create',
    undo: 'Create',
    enroll: 'Create',
    reauthenticate: 'Update',
  },
  ...{ sign_in: 'Create', link: 'Create', oidc_start: 'Create', sign_out: 'Delete', change: 'Update', apply: 'Update' },
  ...{
    put: 'Update',
    label: 'Update',
    label_many: 'Update',
    mode: 'Update',
    approve: 'Update',
    reject: 'Update',
    test: 'Other',
  },
  ...{
    delete: 'Delete',
    delete_results: 'Delete',
    expire_results: 'Delete',
    revoke: 'Delete',
    cancel: 'Delete',
    remove: 'Delete',
  },
  ...{
    list: 'Read',
    show: 'Read',
    rows: 'Read',
    endpoints: 'Read',
    warnings: 'Read',
    events: 'Read',
    reduce: 'Read',
    plan: 'Read',
  },
  ...{ chain: 'Read', journal: 'Read', versions: 'Read', deliveries: 'Read', metrics: 'Read', top: 'Read' },
  ...{ watch: 'Read', targets: 'Read', fleet: 'Read', ask: 'Read', proposals: 'Read', proposal: 'Read' },
  ...{ findings: 'Read', scores: 'Read', mend: 'Read', ways: 'Read', open: 'Read' },
  ...{ upload: 'Create', part: 'Update', import: 'Update' },
};

/**
 * An audit record as an event of the class API Activity. `metadata.sequence` is its place in the audit record; what the schema has no
 * member for is in `unmapped`.
 */
export function ocsfEvent(seq: number, record: AuditRecord): object {
  const { atMs, org, actor, actorName, action, outcome, from, subject, code, scope, details } = record;
  const [kind = action, verb = ''] = action.split('.');
  const activity: Activity = (Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined) ?? 'Other';
  const isSuccess = outcome === 'allowed';
  const unmapped = { ...(scope === undefined ? {} : { scope }), ...(details === undefined ? {} : { details }) };
  return {
    ...CATEGORY,
    ...CLASS,
    ...{ activity_id: ACTIVITIES[activity], activity_name: activity },
    ...{ type_uid: CLASS.class_uid * 100 + ACTIVITIES[activity], type_name: `${CLASS.class_name}: ${activity}` },
    // What is allowed is the day's work; what was refused or failed is worth a look.
    ...(isSuccess ? { severity_id: 1, severity: 'Informational' } : { severity_id: 2, severity: 'Low' }),
    ...(isSuccess ? { status_id: 1, status: 'Success' } : { status_id: 2, status: 'Failure' }),
    ...(code === undefined ? {} : { status_code: code }),
    status_detail: outcome,
    time: atMs,
    message: `${actorName} ${action}: ${outcome}`,
    metadata: {
      ...{ version: OCSF_VERSION, product: { name: 'Muster', vendor_name: 'Muster' } },
      ...{ log_name: 'audit', sequence: seq, uid: `${org}-${seq}`, tenant_uid: org },
    },
    actor: { user: { uid: actor, name: actorName } },
    api: { operation: action, service: { name: 'Muster' } },
    src_endpoint: isIP(from) === 0 ? { name: from === '' ? 'unknown' : from } : { ip: from },
    ...(subject === undefined ? {} : { resources: [{ uid: subject, type: kind }] }),
    ...(Object.keys(unmapped).length === 0 ? {} : { unmapped }),
  };
}

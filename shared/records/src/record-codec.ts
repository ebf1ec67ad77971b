import { decodeCbor, encodeCbor } from '@muster/protocol';
import type {
  DuplicateRecord,
  EnrolledRecord,
  FactsRecord,
  FallbackRecord,
  FirstSessionRecord,
  LabelsRecord,
  ModeOverrideRecord,
  RevokedRecord,
} from './identity-records.js';
import type { HealthRecord } from './health-records.js';
import type { AuditRecord, OperatorTokenRecord, SessionRecord } from './operator-records.js';
import type { QuestionRecord } from './question-records.js';
import type {
  WebhookDeliveryRecord,
  WebhookLeaseRecord,
  WebhookPositionRecord,
  WebhookRecord,
} from './webhook-records.js';

/** Records in deterministic CBOR. Those of queries and commands are larger and have codecs of their own. */
export type StoredRecord =
  | EnrolledRecord
  | FactsRecord
  | FirstSessionRecord
  | LabelsRecord
  | RevokedRecord
  | DuplicateRecord
  | ModeOverrideRecord
  | FallbackRecord
  | OperatorTokenRecord
  | SessionRecord
  | AuditRecord
  | HealthRecord
  | QuestionRecord
  | WebhookRecord
  | WebhookDeliveryRecord
  | WebhookLeaseRecord
  | WebhookPositionRecord;

/** Deterministic, so that the hash of an audit record can be computed from the record alone. */
export function encodeRecord(record: StoredRecord): Uint8Array {
  return encodeCbor(record);
}

/** Reads what {@link encodeRecord} wrote. Throws a `TypeError` on anything that is no CBOR map. */
export function decodeRecord<T extends StoredRecord>(bytes: Uint8Array): T {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null) throw new TypeError('not a stored record');
  return value as T;
}

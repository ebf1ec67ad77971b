// What programs need of the brokers' settings without being a service.
export { natsFields, recordFaults, streamFields } from './common-fields.js';
export { natsAddress } from './broker-urls.js';
export { needsRoom, reservedBytes, streamDefinitions } from './stream-definitions.js';
export type { UnauthenticRecord } from './records/authentic-streams.js';

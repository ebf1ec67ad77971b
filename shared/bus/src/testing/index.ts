export type { BrokerFixture } from './broker-fixture.js';
export { busContract } from './bus-contract.js';
export { followContract } from './follow-contract.js';
export { streamStoreContract } from './stream-store-contract.js';
export { LimitedAccount } from './limited-account.js';

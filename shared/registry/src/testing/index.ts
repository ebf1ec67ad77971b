export { registryContract } from './registry-contract.js';
export type { RegistryFixture } from './registry-harness.js';

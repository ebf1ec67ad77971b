import { afterAll, afterEach, beforeAll, beforeEach, describe } from '@jest/globals';
import { dataLossContract } from './data-loss-contract.js';
import { fleetContract } from './fleet-contract.js';
import { leaseContract } from './lease-contract.js';
import { registrationContract } from './registration-contract.js';
import { silenceContract } from './silence-contract.js';
import { RegistryHarness, type RegistryFixture } from './registry-harness.js';
import { takeoverContract } from './takeover-contract.js';

/** Registers the tests of everything a `Registry` promises. Call it in a test file of each implementation. */
export function registryContract(title: string, makeFixture: () => Promise<RegistryFixture>): void {
  describe(`${title} keeps the registry contract:`, () => {
    const harness = new RegistryHarness();
    beforeAll(() => harness.start(makeFixture));
    beforeEach(() => harness.open());
    afterEach(() => harness.close());
    afterAll(() => harness.fixture.stop());

    registrationContract(harness);
    takeoverContract(harness);
    leaseContract(harness);
    fleetContract(harness);
    dataLossContract(harness);
    silenceContract(harness);
  });
}

/** What tests of several packages share: process harnesses, TCP relays, fakes. Only tests import it. */
export {};

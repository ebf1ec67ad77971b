import { describe, expect, test } from '@jest/globals';
import { enrolUrl, liveUrl } from './gateway-urls.js';
import { urlEnd } from './network-end.js';

describe('the URL of a gateway', () => {
  test.each([
    ['wss://host:8443', 'wss://host:8443/v1/live', 'https://host:8443/v1/enroll'],
    ['https://host', 'wss://host/v1/live', 'https://host/v1/enroll'],
    ['http://[::1]:80/base/', 'ws://[::1]/base/v1/live', 'http://[::1]/base/v1/enroll'],
  ])('%s leads to both endpoints', (gateway, live, enrol) => {
    expect({ live: liveUrl(gateway), enrol: enrolUrl(gateway) }).toEqual({ live, enrol });
  });

  test.each([
    ['wss://gateway.example.com', 'gateway.example.com', 443],
    ['http://10.0.0.1/base', '10.0.0.1', 80],
    ['ws://[::1]:8080', '::1', 8080],
  ])('%s leads to %s port %i', (url, host, port) => {
    expect(urlEnd(new URL(url))).toEqual({ host, port });
  });
});

import { freePort } from '../brokers/free-port.js';
import type { ProgramSettings } from '../stack/programs.js';

const URL_SETTING = 'MUSTER_TELEMETRY_REMOTE_WRITE_URL';

/** The port that Prometheus will have, known before what writes to it starts. `wanted`: 0 is any free one. */
export async function prometheusPort(wanted: number | undefined): Promise<number | undefined> {
  return wanted === 0 ? await freePort() : wanted;
}

/**
 * Settings by which telemetry services write the metrics of endpoints to the Prometheus at this port of the loopback
 * interface, unless they write somewhere already.
 */
export function writingTo(port: number | undefined, settings: ProgramSettings): ProgramSettings {
  if (port === undefined || settings.telemetry?.[URL_SETTING] !== undefined) return settings;
  const url = `http://127.0.0.1:${port}/api/v1/write`;
  return { ...settings, telemetry: { ...settings.telemetry, [URL_SETTING]: url } };
}

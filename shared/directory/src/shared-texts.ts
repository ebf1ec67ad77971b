import type { Facts, Labels } from '@muster/protocol';

/** Beyond these numbers sharing begins anew; what is in use stays as it is. */
const MAX_TEXTS = 20_000;
const MAX_LABEL_SETS = 5_000;
/** As JSON. Larger sets are those of few endpoints, or of somebody who makes them up. */
const SHARED_LABELS_CHARS = 512;

/**
 * One object for equal texts and equal sets of labels: a fleet has few versions, sites and sets of labels, and each record brings its own
 * copy of them. The memory of this itself is bounded.
 */
export class SharedTexts {
  readonly #texts = new Map<string, string>();
  readonly #labels = new Map<string, Labels>();

  text(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= MAX_TEXTS) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }

  /** Host names differ, and are left alone. */
  facts({ host, os, arch, osName, osVersion, agentVersion }: Facts): Facts {
    return {
      host,
      os: this.text(os) as Facts['os'],
      arch: this.text(arch),
      osName: this.text(osName),
      osVersion: this.text(osVersion),
      agentVersion: this.text(agentVersion),
    };
  }

  labels(labels: Labels): Labels {
    const key = JSON.stringify(labels);
    const known = this.#labels.get(key);
    if (known !== undefined) return known;
    if (this.#labels.size >= MAX_LABEL_SETS) this.#labels.clear();
    const shared = Object.fromEntries(
      Object.entries(labels).map(([name, value]) => [this.text(name), this.text(value)]),
    );
    if (key.length <= SHARED_LABELS_CHARS) this.#labels.set(key, shared);
    return shared;
  }
}

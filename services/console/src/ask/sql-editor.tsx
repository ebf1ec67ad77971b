import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  closeCompletion,
  completionKeymap,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { SQLite, sql } from '@codemirror/lang-sql';
import { HighlightStyle, bracketMatching, syntaxHighlighting } from '@codemirror/language';
import { setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { Compartment, EditorState, Prec } from '@codemirror/state';
import { drawSelection, EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { TableJson } from '@muster/api-contract';
import { useEffect, useEffectEvent, useRef } from 'react';
import styles from './sql-editor.module.css';

/** Where the server found a fault: an offset in the text. */
export interface SqlFault {
  readonly offset: number;
  readonly message: string;
}

const NONCE = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';

const LOOK = EditorView.theme({
  '&': { fontSize: '13px', height: '100%', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '20px' },
  '.cm-content': { padding: '6px 0', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 8px' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--accent-soft) !important' },
  '.cm-placeholder': { color: 'var(--ink-faint)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', border: '1px solid var(--edge)', boxShadow: 'var(--shadow)' },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent-soft)', color: 'var(--ink)' },
  '.cm-completionDetail': { color: 'var(--ink-soft)', fontStyle: 'normal' },
  '.cm-completionInfo': { maxWidth: '320px', padding: '6px 8px', color: 'var(--ink-soft)' },
});

const COLOURS = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--accent)', fontWeight: '600' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--warning)' },
  { tag: tags.comment, color: 'var(--ink-faint)' },
]);

/** Tables and columns as the completion takes them, with what they are. */
function schemaOf(tables: readonly TableJson[]) {
  return sql({
    dialect: SQLite,
    upperCaseKeywords: true,
    schema: Object.fromEntries(
      tables.map((table) => [
        table.name,
        {
          self: { label: table.name, type: 'type', detail: table.platforms.join(' '), info: table.description },
          children: table.columns.map((column) => ({
            label: column.name,
            type: 'property',
            detail: column.type.toLowerCase(),
            info: column.description,
          })),
        },
      ]),
    ),
  });
}

/** An editor of SQL: completion from the schema, the server's faults where they are, Ctrl-Enter runs. */
export function SqlEditor({
  label,
  value,
  onChange,
  onRun,
  tables,
  fault,
  hint,
}: {
  label: string;
  value: string;
  onChange: (text: string) => void;
  /** Given the text as it is in the editor: the page may not have heard of the last key yet. */
  onRun: (text: string) => void;
  tables: readonly TableJson[];
  fault: SqlFault | undefined;
  hint?: string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const language = useRef(new Compartment());
  const changed = useEffectEvent(onChange);
  const run = useEffectEvent(onRun);
  const first = useEffectEvent(() => value);

  useEffect(() => {
    if (box.current === null) return undefined;
    const runs = (editor: EditorView): boolean => {
      closeCompletion(editor);
      run(editor.state.doc.toString());
      return true;
    };
    const made = new EditorView({
      parent: box.current,
      state: EditorState.create({
        doc: first(),
        extensions: [
          EditorView.cspNonce.of(NONCE),
          Prec.highest(keymap.of([{ key: 'Mod-Enter', run: runs }])),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          history(),
          drawSelection(),
          closeBrackets(),
          bracketMatching(),
          autocompletion({ icons: false }),
          syntaxHighlighting(COLOURS),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false' }),
          placeholder(hint ?? ''),
          language.current.of(sql({ dialect: SQLite })),
          LOOK,
          EditorView.updateListener.of((update) => {
            if (update.docChanged) changed(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, [label, hint]);

  useEffect(() => {
    const { current } = view;
    if (current === undefined || current.state.doc.toString() === value) return;
    current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: value } });
  }, [value]);

  useEffect(() => {
    view.current?.dispatch({ effects: language.current.reconfigure(schemaOf(tables)) });
  }, [tables]);

  useEffect(() => {
    const { current } = view;
    if (current === undefined) return;
    current.dispatch(setDiagnostics(current.state, diagnosticsOf(current, fault)));
  }, [fault]);

  return <div ref={box} className={styles['editor']} data-invalid={fault !== undefined} />;
}

/** The word at the place that the server names. */
function diagnosticsOf(view: EditorView, fault: SqlFault | undefined): Diagnostic[] {
  if (fault === undefined) return [];
  const { length } = view.state.doc;
  const at = Math.min(fault.offset, Math.max(0, length - 1));
  const word = view.state.wordAt(at);
  return [
    { from: word?.from ?? at, to: word?.to ?? Math.min(length, at + 1), severity: 'error', message: fault.message },
  ];
}

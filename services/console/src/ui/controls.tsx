import type { ReactNode } from 'react';
import {
  Button as AriaButton,
  Checkbox as AriaCheckbox,
  ListBox,
  ListBoxItem,
  Menu as AriaMenu,
  MenuItem,
  MenuTrigger,
  Popover,
  Select as AriaSelect,
  SelectValue,
  type ButtonProps,
} from 'react-aria-components';
import styles from './controls.module.css';

type Look = 'primary' | 'danger' | 'quiet';

/** A button in the look of the console. */
export function Button({ look, small, ...props }: ButtonProps & { look?: Look; small?: boolean }) {
  const names = ['button', ...(look === undefined ? [] : [look]), ...(small === true ? ['small'] : [])];
  return <AriaButton {...props} className={names.map((name) => styles[name]).join(' ')} />;
}

export interface Choice {
  readonly id: string;
  readonly label: string;
  readonly note?: string;
  readonly isDisabled?: boolean;
}

/** One of a few values. */
export function Select({
  label,
  value,
  choices,
  onChange,
  isLabelHidden = false,
}: {
  label: string;
  value: string;
  choices: readonly Choice[];
  onChange: (id: string) => void;
  isLabelHidden?: boolean;
}) {
  return (
    <AriaSelect
      className={styles['field'] ?? ''}
      aria-label={label}
      value={value}
      onChange={(key) => key !== null && onChange(String(key))}
    >
      {!isLabelHidden && (
        <span className={styles['label']} aria-hidden="true">
          {label}
        </span>
      )}
      <AriaButton className={styles['select'] ?? ''}>
        <SelectValue />
        <span aria-hidden="true">▾</span>
      </AriaButton>
      <Popover>
        <ListBox className={styles['list'] ?? ''} items={choices.map((choice) => ({ ...choice }))}>
          {(choice) => (
            <ListBoxItem className={styles['item'] ?? ''} id={choice.id} textValue={choice.label}>
              {choice.label}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

/** A button that opens a list of things to do. */
export function ActionMenu({
  label,
  items,
  onAction,
  small = true,
}: {
  label: ReactNode;
  items: readonly Choice[];
  onAction: (id: string) => void;
  small?: boolean;
}) {
  return (
    <MenuTrigger>
      <Button small={small}>
        {label} <span aria-hidden="true">▾</span>
      </Button>
      <Popover>
        <AriaMenu
          className={styles['list'] ?? ''}
          items={items.map((item) => ({ ...item }))}
          disabledKeys={items.filter(({ isDisabled }) => isDisabled === true).map(({ id }) => id)}
          onAction={(key) => onAction(String(key))}
        >
          {(item) => (
            <MenuItem className={styles['item'] ?? ''} id={item.id} textValue={item.label}>
              <span>{item.label}</span>
              {item.note !== undefined && <span className={styles['hint']}>{item.note}</span>}
            </MenuItem>
          )}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}

/** A tick with its words. */
export function Checkbox({
  isSelected,
  onChange,
  children,
  label,
}: {
  isSelected: boolean;
  onChange: (isSelected: boolean) => void;
  children?: ReactNode;
  label?: string;
}) {
  return (
    <AriaCheckbox
      className={styles['check'] ?? ''}
      isSelected={isSelected}
      onChange={onChange}
      {...(label === undefined ? {} : { 'aria-label': label })}
    >
      <span className={styles['box']}>
        {isSelected && (
          <svg viewBox="0 0 10 10" aria-hidden="true">
            <path d="M1.5 5.5 4 8l4.5-6" />
          </svg>
        )}
      </span>
      {children}
    </AriaCheckbox>
  );
}

/** A line of text to type, with its label, and what is wrong with it. */
export function TextField({
  label,
  value,
  onChange,
  fault,
  hint,
  rows,
  ...input
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  fault?: string | undefined;
  hint?: string | undefined;
  rows?: number;
  type?: string;
  placeholder?: string;
  autoComplete?: string;
  autoFocus?: boolean;
  name?: string;
}) {
  const Tag = rows === undefined ? 'input' : 'textarea';
  return (
    <label className={styles['field']}>
      <span className={styles['label']}>{label}</span>
      <Tag
        {...input}
        {...(rows === undefined ? {} : { rows })}
        className={styles['input']}
        value={value}
        aria-invalid={fault !== undefined}
        onChange={({ target }: { target: HTMLInputElement | HTMLTextAreaElement }) => onChange(target.value)}
      />
      {fault !== undefined && <span className={styles['fault']}>{fault}</span>}
      {fault === undefined && hint !== undefined && <span className={styles['hint']}>{hint}</span>}
    </label>
  );
}

export function Kbd({ children }: { children: ReactNode }) {
  return <kbd className={styles['kbd']}>{children}</kbd>;
}

create table palettes (
  id bigint generated always as identity primary key,
  color text not null check (color ~ '^#[0-9a-f]{6}$'),
  -- Filled by the worker: null means that it waits in the queue.
  shades text[],
  asked_at timestamptz not null default now()
);
create index palettes_waiting on palettes (id) where shades is null;

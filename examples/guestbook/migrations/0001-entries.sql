create table entries (
  id bigint generated always as identity primary key,
  name text not null check (char_length(name) between 1 and 80),
  message text not null check (char_length(message) between 1 and 1000),
  picture text,
  written_at timestamptz not null default now(),
  -- Filled by the worker: null means that nobody has read the entry yet.
  words integer,
  hidden boolean not null default false
);

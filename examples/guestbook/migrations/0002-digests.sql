create table digests (
  minute timestamptz primary key,
  entries integer not null,
  words integer not null
);
create index entries_unread on entries (written_at) where words is null;
create index entries_written_at on entries (written_at);

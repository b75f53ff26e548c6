-- The pacer's reads.
select 1;

-- Claims and outcomes.
select 1;

-- Experiments, canaries and re-drives.
select 1;

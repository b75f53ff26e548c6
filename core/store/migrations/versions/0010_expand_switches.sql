-- Switches and quarantines.
select 1;

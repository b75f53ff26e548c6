-- Schedules and quiet hours.
select 1;

-- Plans.
select 1;

-- Series to segments: the scheduler makes the list that stands for the segment in each run. Expand
-- only.
grant insert on app.lists to carteiro_worker;

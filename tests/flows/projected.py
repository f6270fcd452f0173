"""@project names the branch."""

from metaflow import FlowSpec, current, project, step


@project(name="tides")
class ProjectedFlow(FlowSpec):
    @step
    def start(self):
        print(current.project_name, current.branch_name, current.project_flow_name, current.is_production)
        self.next(self.end)

    @step
    def end(self):
        print(current.pathspec.split("/")[0], current.step_name, current.retry_count, sorted(current.tags))


if __name__ == "__main__":
    ProjectedFlow()

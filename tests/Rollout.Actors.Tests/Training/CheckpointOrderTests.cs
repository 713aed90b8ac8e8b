using Rollout.Actors.Protocol;
using Xunit;

namespace Rollout.Actors.Tests.Training;

public sealed class CheckpointOrderTests : TrainerActorTest
{
    [Fact]
    public async Task A_checkpoint_waits_until_the_report_of_its_step_is_written()
    {
        RecordsReports = false;
        var trainer = Start(Job(steps: 3, checkpointEvery: 1));
        await StartedAsync();
        await StepAsync(trainer, first: 0, version: 1);
        await SettledAsync(trainer);
        Assert.Empty(Policy.Saved);

        Tell(trainer, new StepRecorded(0));     // of another step
        await SettledAsync(trainer);
        Assert.Empty(Policy.Saved);

        Tell(trainer, new StepRecorded(1));
        Assert.Equal(1, (await ExpectMsgAsync<CheckpointSaved>()).Step);
    }

    [Fact]
    public async Task A_run_that_is_given_up_while_it_waits_for_the_record_saves_all_the_same()
    {
        RecordsReports = false;
        var trainer = Start(Job(steps: 3, checkpointEvery: 1));
        await StartedAsync();
        await StepAsync(trainer, first: 0, version: 1);

        Tell(trainer, new AbandonTraining("no scheduler"));

        Assert.EndsWith("no scheduler", (await EndAsync()).Error, StringComparison.Ordinal);
        Assert.Single(Policy.Saved);
    }
}

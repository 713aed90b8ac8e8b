using Rollout.Actors.Settings;
using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Host.Commands;
using Rollout.Host.Invocation;
using Rollout.Host.Output;
using Rollout.Host.Tests.Support;
using Xunit;

namespace Rollout.Host.Tests.Invocation;

public sealed class ErrorReportTests
{
    public static TheoryData<Exception, int, string> Thrown => new()
    {
        { new OutputException("'runs' holds a run already."), 2, "'runs' holds a run already." },
        { new ConfigurationException("a.conf:3: a key is unknown."), 2, "a.conf:3: a key is unknown." },
        { new CheckpointException("config.json is missing."), 2, "config.json is missing." },
        { new LibTorchException("No libtorch was found."), 1, "No libtorch was found." },
        { new DeviceFaultException("cuda:0 failed in a step."), 1, "cuda:0 failed in a step." },
        { new CudaLibraryException("cuBLASLt could not multiply."), 1, "cuBLASLt could not multiply." },
        { new UnsupportedDeviceException("Tesla T4 has 7.5."), 1, "Tesla T4 has 7.5." },
        { new UnsupportedModelException("head_dim is 100."), 2, "head_dim is 100." },
        {
            new KernelCompileException("gate.cu", "line 3:\nerror"), 1,
            "The kernel source gate.cu does not compile: line 3: error"
        },
        { new NotFiniteNumberException("The loss is NaN in step 2."), 1, "The loss is NaN in step 2." },
        { new AggregateException(new OutputException("Inside.")), 2, "Inside." },
        { new IOException("No space left on device"), 1, "A file cannot be read or written: No space left on device" },
        { new OperationCanceledException(), 130, "Stopped before the end." },
        {
            new InvalidOperationException("One\r\n  two"), 1,
            "Unexpected InvalidOperationException: One two (ROLLOUT_DEBUG=1 shows where)"
        },
    };

    [Theory]
    [MemberData(nameof(Thrown), DisableDiscoveryEnumeration = true)]
    public async Task What_a_command_throws_is_one_sentence_on_standard_error_and_an_exit_code(
        Exception thrown, int code, string sentence)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var handlers = new CommandHandlers { Train = (_, _) => Task.FromException<int>(thrown) };

        var answered = await RolloutProgram.RunAsync(
            ["train", "--config", "a.conf"], handlers, Consoles.NoLive(output), error);

        Assert.Equal((code, sentence), (answered, error.ToString().TrimEnd()));
        Assert.Empty(output.ToString());
    }

    [Fact]
    public void The_exit_code_is_right_where_standard_error_cannot_be_written()
    {
        using var full = new FullDisk();
        var report = new ErrorReport(full, withTrace: true, ExitCodes.Interrupted, new HashSet<Type> { typeof(OutputException) }, new HashSet<Type>());

        Assert.Equal(ExitCodes.BadInput, report.Write(new OutputException("'a' is a folder.")));
    }

    [Fact]
    public void The_stack_trace_follows_where_it_is_asked_for()
    {
        using var error = new StringWriter();
        var report = new ErrorReport(error, withTrace: true, ExitCodes.Interrupted, new HashSet<Type>(), new HashSet<Type>());

        report.Write(Assert.Throws<FormatException>(() => int.Parse("no number")));

        Assert.Contains("   at System.Int32.Parse", error.ToString(), StringComparison.Ordinal);
    }

    private sealed class FullDisk : StringWriter
    {
        public override void WriteLine(string? value) => throw new IOException("No space left on device");
    }
}

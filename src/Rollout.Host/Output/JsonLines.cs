using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Rollout.Host.Output;

/// <summary>
/// A file with one JSON object a line: snake_case names, text as it is, and null for a number that JSON cannot say
/// (NaN, ±∞). A line reaches the file as a whole when it is written, so that whoever follows the file reads
/// whole lines.
/// </summary>
internal sealed class JsonLines : IDisposable
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new FiniteNumbers() },
    };

    private readonly Stream _file;

    private JsonLines(Stream file) => _file = file;

    /// <summary>Starts an empty file.</summary>
    public static JsonLines Create(string path) =>
        new(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read));

    /// <summary>
    /// Writes to a device, such as /dev/null. Standard output is not opened anew: where it is a file, it goes on from
    /// where the program's own output is.
    /// </summary>
    public static JsonLines ToDevice(string path) => new(path == "/dev/stdout"
        ? Console.OpenStandardOutput()
        : new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite));

    /// <summary>
    /// Goes on with a file, keeping the lines up to the first that <paramref name="keep"/> rejects or that was not
    /// written whole; a missing file is started.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="keep">Asked once a line, in order.</param>
    /// <param name="share">What others may do with it meanwhile.</param>
    public static JsonLines Continue<T>(string path, Func<T, bool> keep, FileShare share = FileShare.Read)
    {
        var kept = KeptLength(path, keep);
        var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, share);
        file.SetLength(kept);
        file.Seek(0, SeekOrigin.End);
        return new JsonLines(file);
    }

    /// <summary>The whole lines of a file, none where there is no file.</summary>
    public static IEnumerable<T> Read<T>(string path) => Whole<T>(path).Select(line => line.Value);

    public void Write<T>(T value)
    {
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(value, Format), (byte)'\n'];
        _file.Write(line);
        _file.Flush();
    }

    public void Dispose() => _file.Dispose();

    private static long KeptLength<T>(string path, Func<T, bool> keep)
    {
        var length = 0L;
        foreach (var (value, end) in Whole<T>(path))
        {
            if (!keep(value))
                break;
            length = end;
        }

        return length;
    }

    /// <summary>Each line that ends and parses, with the offset of the byte after it, up to the first that does not.</summary>
    private static IEnumerable<(T Value, long End)> Whole<T>(string path)
    {
        if (!File.Exists(path))
            yield break;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new BufferedStream(file, 1 << 16);
        var line = new List<byte>();
        var end = 0L;
        for (var next = reader.ReadByte(); next >= 0; next = reader.ReadByte())
        {
            end++;
            if (next != '\n')
            {
                line.Add((byte)next);
                continue;
            }

            if (!TryParse<T>(line, out var value))
                yield break;
            yield return (value!, end);
            line.Clear();
        }
    }

    private static bool TryParse<T>(List<byte> line, out T? value)
    {
        try
        {
            value = JsonSerializer.Deserialize<T>(line.ToArray(), Format);
            return value is not null;
        }
        catch (JsonException)
        {
            value = default;
            return false;
        }
    }

    private sealed class FiniteNumbers : JsonConverter<double>
    {
        public override bool HandleNull => true;

        public override double Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.Null ? double.NaN : reader.GetDouble();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value))
                writer.WriteNumberValue(value);
            else
                writer.WriteNullValue();
        }
    }
}
